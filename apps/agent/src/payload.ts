import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import type { Note } from "@tenfold/device";

/** How long a program must have run before it counts as up. */
const settleMs = 3_000;
const stopMs = 3_000;
const longestPauseMs = 60_000;
const lastLines = 200;
/** What the agent was started with is none of the payload's business. */
const plainEnv = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };

export type Payload = {
  /** Whether what was installed runs: it has been up for three seconds, or has ended by itself without an error. */
  health(): Promise<{ is: "pass" } | { is: "fail"; detail: string }>;
  stop(): Promise<void>;
};

export type PayloadWish = {
  /** Program and arguments; `{image}` stands for the image of the slot that runs. No shell reads it. */
  readonly command: string;
  readonly image: string;
  /** Where it runs; a core that the kernel writes there is found. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly note: Note;
  readonly onCrash: (what: { sentence: string; lines: readonly string[] }) => Promise<void>;
};

/** Runs the image as a program, again after a pause when it crashes, until it is stopped. */
export async function startPayload({ command, image, folder, env, note, onCrash }: PayloadWish): Promise<Payload> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(image, 0o700);
  const [program = image, ...args] = command.split(/\s+/).map((word) => word.replaceAll("{image}", image));
  const stopping = new AbortController();
  const state = { child: undefined as ChildProcess | undefined, upSince: 0, crash: undefined as string | undefined, done: false };

  const runOnce = async (): Promise<"ended" | "crashed"> => {
    const child = spawn(program, args, { cwd: folder, env: { ...plainEnv, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    state.child = child;
    state.upSince = performance.now();
    const lines: string[] = [];
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on("line", (line) => {
        lines.push(line.slice(0, 2_000));
        if (lines.length > lastLines) lines.shift();
      });
    const how = await endOf(child);
    state.child = undefined;
    if (stopping.signal.aborted || how === undefined) return "ended";
    const sentence = `The payload ${how}.`;
    state.crash = sentence;
    note("payload.crashed", { because: sentence, last: lines.at(-1) });
    await onCrash({ sentence, lines });
    return "crashed";
  };
  const keepRunning = async (): Promise<void> => {
    for (let failures = 0; !stopping.signal.aborted; failures++) {
      const began = performance.now();
      if ((await runOnce()) === "ended") break;
      if (performance.now() - began > longestPauseMs) failures = 0;
      const wait = Math.min(longestPauseMs, 1_000 * 2 ** failures);
      await pause(wait, undefined, { signal: stopping.signal }).catch(() => {});
    }
    state.done = true;
  };
  const running = keepRunning();
  return {
    async health() {
      while (state.crash === undefined && !state.done && performance.now() - state.upSince < settleMs) await pause(50);
      return state.crash === undefined ? { is: "pass" } : { is: "fail", detail: state.crash };
    },
    async stop() {
      stopping.abort();
      state.child?.kill("SIGTERM");
      const late = setTimeout(() => state.child?.kill("SIGKILL"), stopMs);
      await running.finally(() => clearTimeout(late));
    },
  };
}

/** How it ended, for a sentence; undefined where it ended well. Its output has been read by then. */
async function endOf(child: ChildProcess): Promise<string | undefined> {
  try {
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    if (signal !== null) return `was ended by ${signal}`;
    return code === 0 ? undefined : `ended with exit code ${code}`;
  } catch (error) {
    return `could not be started: ${error instanceof Error ? error.message : String(error)}`;
  }
}
