/**
 * Messages to durable, at QoS 1 over mutual TLS, beside mosquitto alone (which stores nothing) in the same run, and beside the same payloads
 * written straight to the store. `--connections=100,1000,10000 --rounds=3 --scale=1` say how much.
 */
import { readFile } from "node:fs/promises";
import { type RunningPlatform, runPlatform } from "../tools/running-platform.ts";
import { type EnrolledDevice, enrollFleet } from "./fleet.ts";
import { LatencyCounts } from "./latency.ts";
import { type Load, startLoad } from "./load.ts";
import type { LoadPhase } from "./load-client.ts";
import { type Mosquitto, runMosquitto } from "./mosquitto.ts";
import { numbers, option } from "./options.ts";
import { openProbe } from "./probe.ts";
import { cpuByPart, cpuOf } from "./processes.ts";
import { atLeast, atMost, type BenchResult } from "./result.ts";
import { straightToStore } from "./straight.ts";

const rounds = Number(option("rounds", "3"));
/** A smaller number makes a shorter run. */
const scale = Number(option("scale", "1"));
const fleets = numbers(option("connections", "100,1000,10000"));
const perProcess = 5_000;

type Figures = Record<string, number>;
type Shape = { name: string; phase: LoadPhase };

/** Messages a second of the paced rounds, at most; on a machine that takes less, what the pipelined round showed it to take half of. */
const paceSeconds = 10;

const shapesFor = (connections: number): Shape[] => [
  { name: "oneInFlight", phase: { is: "count", each: Math.ceil((scale * 40_000) / connections), window: 1 } },
  {
    name: "pipelined",
    phase: { is: "count", each: Math.ceil((scale * 200_000) / connections), window: Math.min(50, 200_000 / connections) },
  },
];

export async function run(): Promise<BenchResult> {
  await using platform = await runPlatform(unlimited);
  const [probing, ...devices] = await enrollFleet(platform, { prefix: "load", devices: Math.max(...fleets) + 1 });
  if (probing === undefined) throw new Error("No device was enrolled.");
  const ca = await readFile(platform.ca, "utf8");
  await using peer = await runMosquitto(ca + (await readFile(platform.issuingCert, "utf8")));
  if (peer === undefined) console.log("mosquitto is not installed: the figures stand without their peer");
  const servers: Servers = { platform, ca, peer, probing };
  const results: Measured[] = [];
  for (const connections of fleets) results.push(await measureFleet(servers, devices.slice(0, connections)));
  const straight = prefixed("straightToStore", await straightToStore(scale * 200_000));
  return {
    bench: "messages",
    figures: Object.assign({}, ...results.map(({ figures }) => figures), straight),
    aims: Object.assign({}, ...results.map(({ aims }) => aims)),
  };
}

type Servers = { platform: RunningPlatform; ca: string; peer: Mosquitto | undefined; probing: EnrolledDevice };
type Measured = Pick<BenchResult, "figures" | "aims">;

async function measureFleet({ platform, ca, peer, probing }: Servers, devices: EnrolledDevice[]): Promise<Measured> {
  const connections = devices.length;
  const processes = Math.ceil(connections / perProcess);
  await using ours = await startLoad({ host: "127.0.0.1", port: platform.mqttPort, ca, devices, processes });
  await using theirs = peer && (await startLoad({ host: "127.0.0.1", port: peer.port, ca: peer.ca, devices, processes }));
  const found: Measured = { figures: {}, aims: {} };
  const both: Both = { platform, ours, peer, theirs, probing };
  for (const shape of shapesFor(connections)) {
    const middle = await inTurn(both, shape.phase);
    Object.assign(found.figures, prefixed(`${connections}.${shape.name}`, middle));
    Object.assign(found.aims, aimsOf(`${connections}.${shape.name}`, middle));
  }
  const half = Math.min(10_000, Math.round((found.figures[`${connections}.oneInFlight.tenfold.messagesPerSecond`] ?? 1_000) / 2));
  const paced = await pacedRound(both, half);
  Object.assign(found.figures, prefixed(`${connections}.halfLoad`, paced));
  if (paced.visibleP99Ms !== undefined) found.aims[`${connections}.halfLoad.visibleP99Ms`] = atMost(paced.visibleP99Ms, 500);
  if (paced.ackP99Ratio !== undefined) found.aims[`${connections}.halfLoad.ackP99Ratio`] = atMost(paced.ackP99Ratio, 1.1);
  return found;
}

/** A-B-A-B: the machine's mood changes within a minute, and both shall have had both. Medians of all rounds. */
async function inTurn({ platform, ours, peer, theirs }: Both, phase: LoadPhase): Promise<Figures> {
  const results: Figures[] = [];
  for (let round = 0; round < rounds; round++) {
    const mine = await measureOurs(platform, ours, phase);
    const other = peer && theirs && (await measurePeer(peer, theirs, phase));
    results.push({
      ...prefixed("tenfold", mine),
      ...(other ? { ...prefixed("mosquitto", other), ...ratios(mine, other) } : {}),
    });
  }
  return medians(results);
}

/** Stated for 1,000 devices with one message in flight each, and for 100 with 50. */
function aimsOf(name: string, { cpuRatio, rateRatio }: Figures): BenchResult["aims"] {
  if (cpuRatio === undefined || rateRatio === undefined) return {};
  if (name === "1000.oneInFlight") return { [`${name}.cpuRatio`]: atMost(cpuRatio, 2) };
  if (name === "100.pipelined")
    return { [`${name}.cpuRatio`]: atMost(cpuRatio, 0.5), [`${name}.rateRatio`]: atLeast(rateRatio, 3) };
  return {};
}

/** So that only the machine limits what a benchmark asks for. */
export const unlimited = {
  TENFOLD_LOG_LEVEL: "error",
  TENFOLD_DEVICE_MESSAGES_PER_SECOND: "1000000",
  TENFOLD_DEVICE_BURST: "1000000",
  TENFOLD_HANDSHAKES_PER_SECOND: "100000",
  TENFOLD_ENROLLMENT_REQUESTS_PER_MINUTE: "10000000",
};

async function measureOurs(platform: RunningPlatform, load: Load, phase: LoadPhase): Promise<Figures> {
  const before = await cpuByPart(platform.pid);
  const report = await load.run(phase);
  await untilStored(platform);
  const after = await cpuByPart(platform.pid);
  const micros = (part: keyof typeof before) => ((after[part] - before[part]) / report.acknowledged) * 1e6;
  const [main, store, postgres] = [micros("platform"), micros("store"), micros("postgres")];
  return { cpuMicros: main + store + postgres, cpuPlatform: main, cpuStore: store, cpuPostgres: postgres, ...told(report) };
}

async function measurePeer(peer: Mosquitto, load: Load, phase: LoadPhase): Promise<Figures> {
  const before = await cpuOf([peer.pid]);
  const report = await load.run(phase);
  return { cpuMicros: (((await cpuOf([peer.pid])) - before) / report.acknowledged) * 1e6, ...told(report) };
}

type Both = {
  platform: RunningPlatform;
  ours: Load;
  peer: Mosquitto | undefined;
  theirs: Load | undefined;
  probing: EnrolledDevice;
};

/** All devices in turn at a fixed rate: how long until PUBACK, beside the peer; and until a query shows what a device beside them publishes. */
async function pacedRound({ platform, ours, theirs, probing }: Both, perSecond: number): Promise<Figures> {
  const phase: LoadPhase = { is: "pace", perSecond, seconds: paceSeconds, window: 8 };
  const peers = theirs && (await theirs.run(phase));
  const mine = await ours.run(phase);
  await using probe = await openProbe(platform, probing);
  const watched = new LatencyCounts();
  const until = performance.now() + paceSeconds * 1_000;
  const watching = (async () => {
    while (performance.now() < until) watched.add(await probe.visibleMs());
  })();
  await Promise.all([ours.run(phase), watching]);
  await untilStored(platform);
  return {
    perSecond,
    ...prefixed("tenfold", acks(mine)),
    ...(peers && { ...prefixed("mosquitto", acks(peers)), ackP99Ratio: mine.ack.percentile(0.99) / peers.ack.percentile(0.99) }),
    visibleSamples: watched.count,
    visibleP50Ms: watched.percentile(0.5),
    visibleP99Ms: watched.percentile(0.99),
  };
}

const acks = ({ sent, acknowledged, ack }: Awaited<ReturnType<Load["run"]>>): Figures => ({
  ...{ sent, acknowledged },
  ackP50Ms: ack.percentile(0.5),
  ackP95Ms: ack.percentile(0.95),
  ackP99Ms: ack.percentile(0.99),
});

const told = (report: Awaited<ReturnType<Load["run"]>>): Figures => ({
  messagesPerSecond: report.acknowledged / report.seconds,
  ackP50Ms: report.ack.percentile(0.5),
  ackP95Ms: report.ack.percentile(0.95),
  ackP99Ms: report.ack.percentile(0.99),
  clientCpuMicros: (report.cpuSeconds / report.acknowledged) * 1e6,
});

const ratios = (mine: Figures, other: Figures): Figures => ({
  cpuRatio: (mine.cpuMicros ?? 0) / (other.cpuMicros ?? 1),
  rateRatio: (mine.messagesPerSecond ?? 0) / (other.messagesPerSecond ?? 1),
});

/** Until nothing that is durable waits for the store: what a message costs includes that it can be queried. */
export async function untilStored({ url }: Pick<RunningPlatform, "url">): Promise<void> {
  for (;;) {
    const text = await (await fetch(new URL("/metrics", url))).text();
    if (/^tenfold_intake_backlog_frames 0$/m.test(text)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export const prefixed = (prefix: string, figures: Figures): Figures =>
  Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${prefix}.${name}`, value]));

export function medians(all: readonly Figures[]): Figures {
  const names = Object.keys(all[0] ?? {});
  return Object.fromEntries(
    names.map((name) => [
      name,
      all.map((one) => one[name] ?? Number.NaN).toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? Number.NaN,
    ]),
  );
}
