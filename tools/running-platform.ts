/** A platform of its own, on free ports and a temporary folder, and the command line against it. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { endsWithUs, ownFolder } from "@tenfold/testkit";

const run = promisify(execFile);

export type RunningPlatform = AsyncDisposable & {
  dir: string;
  dataDir: string;
  url: string;
  deviceUrl: string;
  mqttPort: number;
  token: string;
  /** PEM files. */
  ca: string;
  issuingCert: string;
  issuingKey: string;
  pid: number;
  /** What it wrote to its log so far: JSON lines. */
  log(): Promise<string>;
  /** `tenfold …` against this platform; resolves to what it printed. */
  tenfold(...args: string[]): Promise<string>;
};

export async function runPlatform(env: Record<string, string> = {}): Promise<RunningPlatform> {
  const dir = await ownFolder("run");
  const dataDir = join(dir, "data");
  const logFile = join(dir, "platform.log");
  const ports = {
    TENFOLD_HTTP_PORT: "0",
    TENFOLD_DEVICE_HTTPS_PORT: "0",
    TENFOLD_MQTT_PORT: "0",
    TENFOLD_DEVICE_HOST: "127.0.0.1",
  };
  const platform = [process.execPath, "apps/platform/src/main.ts", "--data", dataDir];
  const [program = process.execPath, ...words] = [...endsWithUs("TERM"), ...platform];
  const child = spawn(program, words, {
    env: { ...process.env, ...ports, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const file = createWriteStream(logFile);
  child.stdout.pipe(file, { end: false });
  child.stderr.pipe(file, { end: false });
  const found = await ready({ dataDir, exited: () => child.exitCode !== null, log: () => readFile(logFile, "utf8") }).catch(
    (error: unknown) => {
      child.kill("SIGTERM");
      throw error;
    },
  );
  const token = (await readFile(join(dataDir, "admin-token"), "utf8")).trim();
  return {
    dir,
    dataDir,
    url: found.url,
    deviceUrl: found.deviceUrl.replace("127.0.0.1", "localhost"),
    mqttPort: Number(new URL(found.mqttUrl.replace("mqtts:", "https:")).port),
    token,
    ca: join(dataDir, "pki", "ca.pem"),
    issuingCert: join(dataDir, "pki", "issuing.pem"),
    issuingKey: join(dataDir, "pki", "issuing.key"),
    pid: child.pid ?? 0,
    log: () => readFile(logFile, "utf8"),
    tenfold: async (...args) =>
      (
        await run(process.execPath, ["apps/cli/src/main.ts", "--data", dataDir, ...args], {
          timeout: 120_000,
          maxBuffer: 64 * 1024 * 1024,
        })
      ).stdout,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGTERM");
        const late = setTimeout(() => child.kill("SIGKILL"), 15_000);
        await once(child, "exit");
        clearTimeout(late);
      }
      await rm(dir, { recursive: true, force: true });
    },
  };
}

type Waiting = { dataDir: string; exited: () => boolean; log: () => Promise<string> };

async function ready({ dataDir, exited, log }: Waiting): Promise<{ url: string; deviceUrl: string; mqttUrl: string }> {
  for (const deadline = Date.now() + 180_000; Date.now() < deadline && !exited(); await wait(50)) {
    const text = await readFile(join(dataDir, "server.json"), "utf8").catch(() => undefined);
    // A file that is just being written is not there yet.
    if (text === undefined || !text.trimEnd().endsWith("}")) continue;
    const found = JSON.parse(text) as { url: string; deviceUrl: string; mqttUrl: string };
    const answer = await fetch(new URL("/readyz", found.url)).catch(() => undefined);
    if (answer?.ok) return found;
  }
  throw new Error(`The platform did not become ready:\n${await log()}`);
}
