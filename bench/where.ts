/**
 * Where one message's time goes: a CPU profile of the platform's process under load, summed up by part of the path. `--connections=100
 * --window=50 --each=3000` say what load; `--rate=4800` sends so many messages a second instead, spread over all devices, for ten seconds.
 */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFleet, unlimited } from "./kept-fleet.ts";
import { startLoad } from "./load.ts";
import { untilStored } from "./messages.ts";
import { option } from "./options.ts";
import { cpuByPart } from "./processes.ts";
import { type CpuProfile, sumUp } from "./profile.ts";
import type { BenchResult } from "./result.ts";

export async function run(): Promise<BenchResult> {
  const [connections, window, each] = ["connections", "window", "each"].map((name, i) =>
    Number(option(name, ["100", "50", "3000"][i] ?? "")),
  );
  const dir = await mkdtemp(join(tmpdir(), "tenfold-profile-"));
  try {
    const figures = await measure(dir, { connections: connections ?? 100, window: window ?? 50, each: each ?? 3_000 });
    return { bench: "where", figures, aims: {} };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function measure(dir: string, { connections, window, each }: { connections: number; window: number; each: number }) {
  const span = { from: 0, to: 0 };
  const figures: Record<string, number> = {};
  {
    const nodeFlags = ["--cpu-prof", "--cpu-prof-interval=500", `--cpu-prof-dir=${dir}`];
    await using fleet = await openFleet({ devices: connections, env: unlimited, nodeFlags });
    const [platform, devices] = [fleet.platform(), [...fleet.devices]];
    await using load = await startLoad({
      host: "127.0.0.1",
      port: platform.mqttPort,
      ca: await readFile(platform.ca, "utf8"),
      devices,
    });
    await load.run({ is: "count", each: Math.ceil(each / 3), window });
    await untilStored(platform);
    const before = await cpuByPart(platform.pid);
    span.from = monotonicMicros();
    const rate = Number(option("rate", "0"));
    const report = await load.run(
      rate > 0 ? { is: "pace", perSecond: rate, seconds: 10, window: 8 } : { is: "count", each, window },
    );
    await untilStored(platform);
    span.to = monotonicMicros();
    const after = await cpuByPart(platform.pid);
    for (const part of ["platform", "store", "postgres"] as const)
      figures[`cpuMicros.${part}`] = ((after[part] - before[part]) / report.acknowledged) * 1e6;
    figures.messagesPerSecond = report.acknowledged / report.seconds;
    figures.clientCpuMicros = (report.cpuSeconds / report.acknowledged) * 1e6;
  }
  const name = (await readdir(dir)).find((file) => file.endsWith(".cpuprofile"));
  if (name === undefined) throw new Error("The platform left no profile behind.");
  const profile = JSON.parse(await readFile(join(dir, name), "utf8")) as CpuProfile;
  const summary = sumUp(profile, span);
  for (const { part, share } of summary.parts) figures[`share.${part}`] = share;
  for (const { name, share } of summary.functions.slice(0, Number(option("top", "25"))))
    console.log(`${(share * 100).toFixed(1).padStart(6)} %  ${name}`);
  return figures;
}

/** The clock of V8's profiles: CLOCK_MONOTONIC, the same for all processes. */
const monotonicMicros = () => Number(process.hrtime.bigint() / 1_000n);
