/**
 * Overload: devices have far more to send than the platform takes. For `--seconds=60` every connection keeps a window of messages on their way that
 * takes ten times as long to store as usual; memory is watched, every acknowledged message is looked for afterwards, and the time is taken until a
 * message is visible as fast as before.
 */
import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { api, createClient } from "@tenfold/contracts";
import type { Platform } from "../tools/faults/platform.ts";
import type { EnrolledDevice } from "./fleet.ts";
import { openFleet, unlimited } from "./kept-fleet.ts";
import { startLoad } from "./load.ts";
import { untilStored } from "./messages.ts";
import { option } from "./options.ts";
import { openProbe } from "./probe.ts";
import { type ByPart, memoryByPart } from "./processes.ts";
import { atMost, type BenchResult } from "./result.ts";

const seconds = Number(option("seconds", "60"));
const connections = Number(option("connections", "100"));
const megabyte = 1024 * 1024;
/** Messages that devices have on their way at the rate at which the platform is busy, and at ten times that. */
const usualWindow = 25;
const overWindow = 10 * usualWindow;

export async function run(): Promise<BenchResult> {
  await using fleet = await openFleet({ devices: connections + 1, env: unlimited });
  const [platform, [probing, ...devices]] = [fleet.platform(), fleet.devices];
  if (probing === undefined) throw new Error("No device was enrolled.");
  const ca = await readFile(platform.ca, "utf8");
  await using load = await startLoad({ host: "127.0.0.1", port: platform.mqttPort, ca, devices });
  await using probe = await openProbe(platform, probing);
  // A kept fleet has sent before.
  const storedBefore = await storedOf(platform, devices);
  // Warm, so that growth is the overload's and not the first use's.
  const warm = await load.run({ is: "count", each: Math.ceil(100_000 / connections), window: usualWindow });
  await untilStored(platform);
  await wait(2_000);
  const usualMs = await middleOf(5, () => probe.visibleMs());
  const memory = watchMemory(platform.pid);
  const report = await load.run({ is: "flood", seconds, window: overWindow });
  const ended = performance.now();
  const backSeconds = await untilUsual(() => probe.visibleMs(), { usualMs, since: ended });
  await untilStored(platform);
  const growth = await memory.stop();
  const acknowledged = warm.acknowledged + report.acknowledged;
  const stored = (await storedOf(platform, devices)) - storedBefore;
  const figures = {
    seconds: report.seconds,
    messagesPerSecond: report.acknowledged / report.seconds,
    acknowledged,
    stored,
    acknowledgedLost: Math.max(0, acknowledged - stored),
    connectionsLost: report.lost,
    ackP50Ms: report.ack.percentile(0.5),
    ackP99Ms: report.ack.percentile(0.99),
    usualVisibleMs: usualMs,
    memoryGrowthMegabytes: sumOf(growth) / megabyte,
    "memoryGrowthMegabytes.platform": growth.platform / megabyte,
    "memoryGrowthMegabytes.store": growth.store / megabyte,
    "memoryGrowthMegabytes.postgres": growth.postgres / megabyte,
    backToUsualSeconds: backSeconds,
  };
  return {
    bench: "overload",
    figures,
    aims: {
      memoryGrowthMegabytes: atMost(figures.memoryGrowthMegabytes, 300),
      acknowledgedLost: atMost(figures.acknowledgedLost, 0),
      backToUsualSeconds: atMost(backSeconds, 10),
    },
  };
}

const sumOf = ({ platform, store, postgres }: ByPart): number => platform + store + postgres;

/** Samples the memory of all processes each second (PSS). Resolves to the growth of each part when they had grown most together. */
function watchMemory(pid: number) {
  let going = true;
  const running = (async (): Promise<ByPart> => {
    const before = await memoryByPart(pid);
    let most = before;
    while (going) {
      await wait(1_000);
      const now = await memoryByPart(pid);
      if (sumOf(now) > sumOf(most)) most = now;
    }
    return {
      platform: most.platform - before.platform,
      store: most.store - before.store,
      postgres: most.postgres - before.postgres,
    };
  })();
  return {
    stop: () => {
      going = false;
      return running;
    },
  };
}

/** Seconds until a message is visible within twice the usual time, and 250 ms. */
async function untilUsual(
  visibleMs: () => Promise<number>,
  { usualMs, since }: { usualMs: number; since: number },
): Promise<number> {
  for (;;) if ((await visibleMs()) <= 2 * usualMs + 250) return (performance.now() - since) / 1_000;
}

async function middleOf(times: number, measure: () => Promise<number>): Promise<number> {
  const all: number[] = [];
  for (let i = 0; i < times; i++) all.push(await measure());
  return all.sort((a, b) => a - b)[Math.floor(times / 2)] ?? Number.NaN;
}

/** Messages of these devices that a query finds. */
async function storedOf({ url, token }: Platform, devices: readonly EnrolledDevice[]): Promise<number> {
  const client = createClient({ baseUrl: url, token });
  let stored = 0;
  for (const { id } of devices) {
    const { items } = await client.call(api.listDeviceMetrics, { params: { id } });
    stored += items.find(({ metric }) => metric === "seq")?.points ?? 0;
  }
  return stored;
}
