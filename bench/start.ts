/** Cold and second start to ready, and the memory of all processes at rest and with connected devices. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { endsWithUs } from "@tenfold/testkit";
import { runPlatform } from "../tools/running-platform.ts";
import { enrollFleet } from "./fleet.ts";
import { startLoad } from "./load.ts";
import { familyOf, memoryOf } from "./processes.ts";
import { atMost, type BenchResult } from "./result.ts";

const connected = 1_000;
const megabyte = 1024 * 1024;

export async function run(): Promise<BenchResult> {
  const dir = await mkdtemp(join(tmpdir(), "tenfold-start-"));
  try {
    const cold = await startOnce(join(dir, "data"));
    const second = await startOnce(join(dir, "data"));
    const memory = await measureMemory();
    return {
      bench: "start",
      figures: { coldStartSeconds: cold, secondStartSeconds: second, ...memory },
      aims: {
        coldStartSeconds: atMost(cold, 10),
        secondStartSeconds: atMost(second, 4),
        restMegabytes: atMost(memory.restMegabytes, 600),
        connectedMegabytes: atMost(memory.connectedMegabytes, 750),
      },
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** From spawning the process until /readyz says yes. */
async function startOnce(dataDir: string): Promise<number> {
  const ports = { TENFOLD_HTTP_PORT: "0", TENFOLD_DEVICE_HTTPS_PORT: "0", TENFOLD_MQTT_PORT: "0", TENFOLD_LOG_LEVEL: "error" };
  const began = performance.now();
  const platform = [process.execPath, "apps/platform/src/main.ts", "--data", dataDir];
  const [program = process.execPath, ...words] = [...endsWithUs("TERM"), ...platform];
  const child = spawn(program, words, {
    env: { ...process.env, ...ports },
    stdio: "ignore",
  });
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await wait(20)) {
    const text = await readFile(join(dataDir, "server.json"), "utf8").catch(() => undefined);
    const answer =
      text === undefined
        ? undefined
        : await fetch(new URL("/readyz", (JSON.parse(text) as { url: string }).url)).catch(() => undefined);
    if (answer?.ok) break;
  }
  const seconds = (performance.now() - began) / 1_000;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
  return seconds;
}

async function measureMemory(): Promise<{ restMegabytes: number; connectedMegabytes: number; kibibytesPerConnection: number }> {
  await using platform = await runPlatform({ TENFOLD_LOG_LEVEL: "error" });
  await wait(5_000);
  const rest = await memoryOf(await familyOf(platform.pid));
  const devices = await enrollFleet(platform, { prefix: "rest", devices: connected });
  const ca = await readFile(platform.ca, "utf8");
  await using _load = await startLoad({ host: "127.0.0.1", port: platform.mqttPort, ca, devices });
  await wait(10_000);
  const full = await memoryOf(await familyOf(platform.pid));
  return {
    restMegabytes: rest / megabyte,
    connectedMegabytes: full / megabyte,
    kibibytesPerConnection: (full - rest) / 1024 / connected,
  };
}
