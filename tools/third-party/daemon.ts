import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";

export type Daemon = AsyncDisposable & {
  log(): Promise<string>;
  /** Resolves once it has ended. */
  ended: Promise<void>;
  /** Ends it and all that it started at once, as a power cut does. */
  cutPower(): Promise<void>;
};

type Started = { command: string; args: string[]; env?: Record<string, string>; logFile: string; after?: () => Promise<void> };

/** A program that runs until it is disposed of, with all the processes that it starts; `after` clears up behind it. */
export function startDaemon({ command, args, env = {}, logFile, after }: Started): Daemon {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const file = createWriteStream(logFile);
  const ended = once(child, "exit").then(() => undefined);
  child.stdout.pipe(file, { end: false });
  child.stderr.pipe(file, { end: false });
  return {
    log: () => readFile(logFile, "utf8"),
    ended,
    async cutPower() {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
      const gone = once(child, "exit");
      process.kill(-child.pid, "SIGKILL");
      await gone;
    },
    async [Symbol.asyncDispose]() {
      await endGroup(child);
      await after?.();
    },
  };
}

/** Such a daemon runs as several processes; all of them stand in a group of their own. */
async function endGroup(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const group = -child.pid;
  process.kill(group, "SIGTERM");
  const late = setTimeout(() => process.kill(group, "SIGKILL"), 5_000);
  await once(child, "exit");
  clearTimeout(late);
}
