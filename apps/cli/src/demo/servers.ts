import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { startProgram } from "../child.ts";
import { cliProblems } from "../exit.ts";

/** What a running platform says of itself in `server.json`. */
export type Endpoints = { url: string; deviceUrl: string; mqttUrl: string };

export type Program = {
  readonly process: ChildProcess;
  /** The last lines it wrote to stderr, for when it fails. */
  readonly complaints: () => string;
  stop(): Promise<void>;
};

const startMs = 60_000;
const stopMs = 12_000;

/** A platform on `dataDir`, ready to serve. It takes the documented ports where they are free, and others where they are not. */
export async function startPlatform(dataDir: string): Promise<Program & { endpoints: Endpoints }> {
  const ports = {
    TENFOLD_HTTP_PORT: await freePort(8080),
    TENFOLD_DEVICE_HTTPS_PORT: await freePort(8443),
    TENFOLD_MQTT_PORT: await freePort(8883),
  };
  const env = Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)]));
  const program = watch(
    startProgram("platform", ["--data", dataDir], { stdio: "piped", env: { ...env, TENFOLD_DEVICE_HOST: "127.0.0.1" } }),
  );
  const deadline = Date.now() + startMs;
  while (Date.now() < deadline) {
    if (program.process.exitCode !== null) break;
    const endpoints = await readEndpoints(dataDir);
    const ready = endpoints && (await fetch(new URL("/readyz", endpoints.url)).catch(() => undefined));
    if (endpoints && ready?.ok) return { ...program, endpoints };
    await wait(50);
  }
  await program.stop();
  throw cliProblems.program_failed(`The platform did not become ready. Its last words:\n${program.complaints()}`);
}

/** The simulator; `onEvent` gets each line that it prints. */
export function startSimulator(args: readonly string[], onEvent: (event: Record<string, unknown>) => void): Program {
  const program = watch(startProgram("simulator", [...args, "--jsonl"], { stdio: "piped" }));
  if (program.process.stdout) {
    createInterface({ input: program.process.stdout }).on("line", (line) => {
      const event = parse(line);
      if (event) onEvent(event);
    });
  }
  return program;
}

function watch(child: ChildProcess): Program {
  const lines: string[] = [];
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    lines.push(...text.split("\n").filter(Boolean));
    lines.splice(0, Math.max(0, lines.length - 30));
  });
  // What nobody reads must not fill the pipe.
  child.stdout?.resume();
  return {
    process: child,
    complaints: () => lines.join("\n"),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), stopMs);
      await ended;
      clearTimeout(late);
    },
  };
}

async function readEndpoints(dataDir: string): Promise<Endpoints | undefined> {
  const text = await readFile(join(dataDir, "server.json"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : (parse(text) as Endpoints | undefined);
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** `wanted` where nobody listens on it, otherwise a port that the system chooses. */
async function freePort(wanted: number): Promise<number> {
  const tried = await listenOnce(wanted);
  return tried ?? (await listenOnce(0)) ?? 0;
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : undefined));
    });
  });
}
