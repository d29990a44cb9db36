import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { endsWithUs } from "@tenfold/testkit";
import { anyPorts, readDoors, type World } from "./world.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

export type Child = AsyncDisposable &
  Pick<World, "url" | "token" | "client" | "deviceUrl" | "mqttPort" | "ca"> & {
    pid: number;
    /** Sends the signal; resolves to the exit code (null when the signal ended it) and how long it took. */
    end(signal: "SIGTERM" | "SIGKILL"): Promise<{ code: number | null; ms: number }>;
  };

/** A platform in a process of its own on this data folder. Resolves when it is ready; its ports are free ones unless `env` names others. */
export async function startChild(dataDir: string, env: Record<string, string> = {}): Promise<Child> {
  const child = spawnPlatform(dataDir, env);
  const said = outputOf(child);
  const end: Child["end"] = async (signal) => {
    const began = performance.now();
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await once(child, "exit", { signal: AbortSignal.timeout(20_000) });
    }
    return { code: child.exitCode, ms: performance.now() - began };
  };
  try {
    const doors = await becomesReady(dataDir, child);
    return { ...doors, pid: child.pid ?? 0, end, [Symbol.asyncDispose]: async () => void (await end("SIGTERM")) };
  } catch (cause) {
    await end("SIGKILL");
    throw new Error(`The platform did not become ready:\n${said()}`, { cause });
  }
}

/** Runs a platform that is expected not to start; resolves to its exit code and what it said. */
export async function failsToStart(dataDir: string, env: Record<string, string>): Promise<{ code: number | null; said: string }> {
  const child = spawnPlatform(dataDir, env);
  const said = outputOf(child);
  await once(child, "exit", { signal: AbortSignal.timeout(30_000) }).finally(() => child.kill("SIGKILL"));
  return { code: child.exitCode, said: said() };
}

function spawnPlatform(dataDir: string, env: Record<string, string>): ChildProcess {
  const { PATH = "", HOME = "" } = process.env;
  const [program = process.execPath, ...words] = [...endsWithUs("TERM"), process.execPath, main, "--data", dataDir];
  return spawn(program, words, {
    env: { PATH, HOME, ...anyPorts, TENFOLD_LOG_LEVEL: "warn", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function outputOf(child: ChildProcess): () => string {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (part) => (text += String(part)));
  return () => text;
}

async function becomesReady(dataDir: string, child: ChildProcess): Promise<Awaited<ReturnType<typeof readDoors>>> {
  for (const deadline = Date.now() + 40_000; Date.now() < deadline && child.exitCode === null; await pause(50)) {
    // After a kill the file of the earlier process still stands there, until the new one has written its own.
    const doors = announcedBy(dataDir) === child.pid ? await readDoors(dataDir).catch(() => undefined) : undefined;
    const answer = doors && (await fetch(new URL("/readyz", doors.url)).catch(() => undefined));
    if (doors && answer?.ok) return doors;
  }
  throw new Error(child.exitCode === null ? "It is not ready after 40 s." : `It ended with exit code ${child.exitCode}.`);
}

function announcedBy(dataDir: string): number | undefined {
  try {
    return JSON.parse(readFileSync(`${dataDir}/server.json`, "utf8")).pid;
  } catch {
    return undefined;
  }
}

/** Processes whose command line or working directory is of this folder, with their whole command line; the dead and not yet buried do not count. */
export function processesOf(dataDir: string): string[] {
  return globSync("/proc/[0-9]*").flatMap((folder) => {
    try {
      const command = readFileSync(`${folder}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      const state = /^State:\s+(\w)/m.exec(readFileSync(`${folder}/status`, "utf8"))?.[1];
      const ofIt = command.includes(dataDir) || readlinkSync(`${folder}/cwd`).startsWith(dataDir);
      return ofIt && state !== "Z" && state !== "X" ? [`${folder.slice(6)} ${command}`] : [];
    } catch {
      // It ended while it was looked at, or is not ours to look at.
      return [];
    }
  });
}

/** Ports that are free now, for a platform that comes back on the same ones. */
export async function freePorts(): Promise<Record<string, string>> {
  const names = ["TENFOLD_HTTP_PORT", "TENFOLD_DEVICE_HTTPS_PORT", "TENFOLD_MQTT_PORT"];
  const servers = await Promise.all(
    names.map(async (name) => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      return { name, server };
    }),
  );
  return Object.fromEntries(
    servers.map(({ name, server }) => {
      const address = server.address();
      server.close();
      return [name, String(typeof address === "object" ? address?.port : 0)];
    }),
  );
}
