import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type ApiClient, createClient } from "@tenfold/contracts";
import { endsWithUs } from "@tenfold/testkit";

export type PlatformWish = {
  dataDir: string;
  /** Settings, and what a preloaded library reads. */
  env: Record<string, string>;
  /** Words before `node`, such as `prlimit --nofile=256`. */
  wrap: string[];
  nodeFlags: string[];
  ports: Ports;
  logFile: string;
  readyMs: number;
};

export type Ports = { http: number; https: number; mqtt: number };

export type Platform = {
  pid: number;
  url: string;
  deviceUrl: string;
  mqttPort: number;
  token: string;
  /** Path of the PEM file that devices trust. */
  ca: string;
  client: ApiClient;
  /** From spawn to ready. */
  startedInMs: number;
  dataDir: string;
  /** True until the process ended. */
  alive(): boolean;
  /** Resolves to how it ended; rejects after `withinMs`. */
  ended(withinMs: number): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  end(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Resolves to whether /readyz said yes within so many milliseconds. */
  readyWithin(ms: number): Promise<boolean>;
  log(): Promise<string>;
};

/** Starts the platform as a process of its own and waits until it is ready; when it ends before, the error has its last words. */
export async function startPlatformProcess(wish: PlatformWish): Promise<Platform> {
  const began = performance.now();
  const child = launch(wish);
  const base = `http://127.0.0.1:${wish.ports.http}`;
  const alive = () => child.exitCode === null && child.signalCode === null;
  const readyWithin = async (ms: number) => {
    for (const deadline = Date.now() + ms; Date.now() < deadline && alive(); await wait(50)) {
      const answer = await fetch(`${base}/readyz`, { signal: AbortSignal.timeout(4_000) }).catch(() => undefined);
      await answer?.text().catch(() => undefined);
      // The doors open one after the other; that all are open is what this file says.
      if (answer?.ok && (await announcedBy(wish.dataDir)) === child.pid) return true;
    }
    return false;
  };
  const log = () => readFile(wish.logFile, "utf8");
  const ended: Platform["ended"] = async (withinMs) => {
    if (alive()) await once(child, "exit", { signal: AbortSignal.timeout(withinMs) });
    return { code: child.exitCode, signal: child.signalCode };
  };
  const end: Platform["end"] = async (signal) => {
    if (!alive()) return;
    child.kill(signal);
    await ended(20_000).catch(() => child.kill("SIGKILL"));
  };
  if (!(await readyWithin(wish.readyMs))) {
    await end("SIGKILL");
    throw new Error(
      `The platform did not become ready within ${wish.readyMs} ms: ${(await log()).trim().split("\n").slice(-9).join("\n")}`,
    );
  }
  const token = (await readFile(join(wish.dataDir, "admin-token"), "utf8")).trim();
  return {
    pid: child.pid ?? 0,
    url: base,
    deviceUrl: `https://localhost:${wish.ports.https}`,
    mqttPort: wish.ports.mqtt,
    token,
    ca: join(wish.dataDir, "pki", "ca.pem"),
    client: createClient({ baseUrl: base, token }),
    startedInMs: performance.now() - began,
    dataDir: wish.dataDir,
    alive,
    ended,
    end,
    readyWithin,
    log,
  };
}

async function announcedBy(dataDir: string): Promise<number | undefined> {
  const text = await readFile(join(dataDir, "server.json"), "utf8").catch(() => "{}");
  return (JSON.parse(text || "{}") as { pid?: number }).pid;
}

function launch({ dataDir, env, wrap, nodeFlags, ports, logFile }: PlatformWish): ChildProcess {
  const [command = process.execPath, ...words] = [
    ...endsWithUs("TERM"),
    ...wrap,
    process.execPath,
    ...nodeFlags,
    "apps/platform/src/main.ts",
    "--data",
    dataDir,
  ];
  const child = spawn(command, words, {
    env: {
      ...process.env,
      TENFOLD_HTTP_PORT: String(ports.http),
      TENFOLD_DEVICE_HTTPS_PORT: String(ports.https),
      TENFOLD_MQTT_PORT: String(ports.mqtt),
      TENFOLD_DEVICE_HOST: "127.0.0.1",
      TENFOLD_DEVICE_MESSAGES_PER_SECOND: "100000",
      TENFOLD_DEVICE_BURST: "100000",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const file = createWriteStream(logFile, { flags: "a" });
  child.stdout.pipe(file, { end: false });
  child.stderr.pipe(file, { end: false });
  child.once("close", () => file.end());
  return child;
}

/** Three ports that are free now, so that a platform can come back where its devices look for it. Below those that the kernel hands out. */
export async function freePorts(): Promise<Ports> {
  const found: number[] = [];
  while (found.length < 3) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (!found.includes(port) && (await isFree(port))) found.push(port);
  }
  const [http = 0, https = 0, mqtt = 0] = found;
  return { http, https, mqtt };
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
