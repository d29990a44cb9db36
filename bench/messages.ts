/** Messages per second to durable, at QoS 1 over mutual TLS, beside mosquitto alone (which stores nothing) in the same run. */
import { readFile } from "node:fs/promises";
import { runPlatform } from "../tools/running-platform.ts";
import { type EnrolledDevice, enrollFleet } from "./fleet.ts";
import { runMosquitto } from "./mosquitto.ts";
import { cpuOf, familyOf, load } from "./processes.ts";
import { atLeast, atMost, type BenchResult } from "./result.ts";

const rounds = 3;
const shapes = [
  { name: "oneInFlight", window: 1, messages: 40_000 },
  { name: "pipelined", window: 50, messages: 200_000 },
] as const;

type Broker = { host: string; port: number; ca: string; pid: number };
type Measured = { perSecond: number; cpuMicros: number; p50: number; p99: number };

export async function run(): Promise<BenchResult> {
  await using platform = await runPlatform({
    TENFOLD_LOG_LEVEL: "error",
    TENFOLD_DEVICE_MESSAGES_PER_SECOND: "1000000",
    TENFOLD_DEVICE_BURST: "1000000",
  });
  const devices = await enrollFleet(platform, { prefix: "load", devices: 100 });
  const ca = await readFile(platform.ca, "utf8");
  const issuing = await readFile(platform.issuingCert, "utf8");
  await using peer = await runMosquitto(ca + issuing);
  const ours: Broker = { host: "127.0.0.1", port: platform.mqttPort, ca, pid: platform.pid };
  const figures: Record<string, number> = {};
  const aims: BenchResult["aims"] = {};
  for (const { name, window, messages } of shapes) {
    const results: { ours: Measured; peer: Measured | undefined }[] = [];
    // A-B-A-B: the machine's mood changes within a minute, and both shall have had both.
    for (let round = 0; round < rounds; round++) {
      results.push({
        ours: await measure(ours, { devices, window, messages }),
        peer: peer && (await measure({ host: "127.0.0.1", ...peer }, { devices, window, messages })),
      });
    }
    const mine = median(results.map((result) => result.ours));
    Object.assign(figures, prefixed(`${name}.tenfold`, mine));
    const theirs = results.flatMap((result) => (result.peer ? [result.peer] : []));
    if (theirs.length === 0) continue;
    const other = median(theirs);
    Object.assign(figures, prefixed(`${name}.mosquitto`, other));
    figures[`${name}.rateRatio`] = mine.perSecond / other.perSecond;
    figures[`${name}.cpuRatio`] = mine.cpuMicros / other.cpuMicros;
    aims[`${name}.cpuRatio`] = atMost(mine.cpuMicros / other.cpuMicros, name === "pipelined" ? 0.5 : 2);
    if (name === "pipelined") aims[`${name}.rateRatio`] = atLeast(mine.perSecond / other.perSecond, 3);
  }
  if (peer === undefined) console.log("mosquitto is not installed: the figures stand without their peer");
  return { bench: "messages", figures, aims };
}

type Shape = { devices: EnrolledDevice[]; window: number; messages: number };

async function measure(broker: Broker, { devices, window, messages }: Shape): Promise<Measured> {
  const family = await familyOf(broker.pid);
  const before = await cpuOf(family);
  const report = await load({ host: broker.host, port: broker.port, ca: broker.ca, devices, window, messages });
  const cpu = (await cpuOf(family)) - before;
  return {
    perSecond: report.acknowledged / report.seconds,
    cpuMicros: (cpu / report.acknowledged) * 1e6,
    p50: report.ackMs.p50,
    p99: report.ackMs.p99,
  };
}

function median(all: readonly Measured[]): Measured {
  const middle = (read: (one: Measured) => number) => all.map(read).toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0;
  return {
    perSecond: middle((one) => one.perSecond),
    cpuMicros: middle((one) => one.cpuMicros),
    p50: middle((one) => one.p50),
    p99: middle((one) => one.p99),
  };
}

const prefixed = (name: string, { perSecond, cpuMicros, p50, p99 }: Measured) => ({
  [`${name}.messagesPerSecond`]: perSecond,
  [`${name}.cpuMicrosPerMessage`]: cpuMicros,
  [`${name}.ackP50Ms`]: p50,
  [`${name}.ackP99Ms`]: p99,
});
