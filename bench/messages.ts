/**
 * Messages to durable, at QoS 1 over mutual TLS, beside mosquitto alone (which stores nothing) in the same run, and beside the same payloads
 * written straight to the store; with what a flush of the disk takes, before which nothing is acknowledged. `--connections=100,1000,10000 --rounds=3
 * --scale=1` say how much; `--rate=10000@5000` is messages a second on so many connections, `none` leaves it out; `--keep=DIR` keeps the enrolled
 * devices for the next run.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Platform } from "../tools/faults/platform.ts";
import { flushTimes } from "./disk.ts";
import type { EnrolledDevice } from "./fleet.ts";
import { openFleet, unlimited } from "./kept-fleet.ts";
import { type Load, startLoad } from "./load.ts";
import type { LoadPhase } from "./load-client.ts";
import { type Mosquitto, runMosquitto } from "./mosquitto.ts";
import { numbers, option } from "./options.ts";
import { openProbe } from "./probe.ts";
import { cpuByPart, cpuOf, untilIdle } from "./processes.ts";
import { atLeast, atMost, type BenchResult } from "./result.ts";
import { straightToStore } from "./straight.ts";

const rounds = Number(option("rounds", "3"));
/** A smaller number makes a shorter run. */
const scale = Number(option("scale", "1"));
const fleets = numbers(option("connections", "100,1000,10000"));
const perProcess = 5_000;

type Figures = Record<string, number>;
type Shape = { name: string; phase: LoadPhase & { is: "count" } };

const paceSeconds = 10;
/** A load that a fleet of that size makes for hours: [P4]. */
const [rate, rateConnections] =
  option("rate", "10000@5000") === "none" ? [0, 0] : numbers(option("rate", "10000@5000").replace("@", ","));

const shapesFor = (connections: number): Shape[] => [
  { name: "oneInFlight", phase: { is: "count", each: Math.ceil((scale * 40_000) / connections), window: 1 } },
  {
    name: "pipelined",
    phase: { is: "count", each: Math.ceil((scale * 200_000) / connections), window: Math.min(50, 200_000 / connections) },
  },
];

export async function run(): Promise<BenchResult> {
  await using fleet = await openFleet({ devices: Math.max(...fleets, rateConnections ?? 0) + 1, env: unlimited });
  const [platform, [probing, ...devices]] = [fleet.platform(), fleet.devices];
  if (probing === undefined) throw new Error("No device was enrolled.");
  const ca = await readFile(platform.ca, "utf8");
  await using peer = await runMosquitto(ca + (await readFile(join(platform.dataDir, "pki", "issuing.pem"), "utf8")));
  if (peer === undefined) console.log("mosquitto is not installed: the figures stand without their peer");
  const disk = prefixed("disk", await flushTimes(platform.dataDir));
  const servers: Servers = { platform, ca, peer, probing };
  const results: Measured[] = [];
  for (const connections of fleets) results.push(await measureFleet(servers, devices.slice(0, connections)));
  if (rate && rateConnections) results.push(await measureRate(servers, devices.slice(0, rateConnections)));
  const straight = prefixed("straightToStore", await straightToStore(scale * 200_000));
  return {
    bench: "messages",
    figures: Object.assign({}, disk, ...results.map(({ figures }) => figures), straight),
    aims: Object.assign({}, ...results.map(({ aims }) => aims)),
  };
}

type Servers = { platform: Platform; ca: string; peer: Mosquitto | undefined; probing: EnrolledDevice };
type Measured = Pick<BenchResult, "figures" | "aims">;

async function measureFleet(servers: Servers, devices: EnrolledDevice[]): Promise<Measured> {
  const connections = devices.length;
  await using both = await connectBoth(servers, devices);
  const found: Measured = { figures: {}, aims: {} };
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

/** [P4] The same rate for both, whatever they could take at most. */
async function measureRate(servers: Servers, devices: EnrolledDevice[]): Promise<Measured> {
  await using both = await connectBoth(servers, devices);
  await both.ours.run({ is: "pace", perSecond: rate ?? 0, seconds: 3, window: 8 });
  const paced = await pacedRound(both, rate ?? 0);
  const name = `${devices.length}.rate`;
  const [p50, ratio] = [paced["tenfold.ackP50Ms"] ?? Number.NaN, paced.ackP99Ratio];
  return {
    figures: prefixed(name, paced),
    aims: {
      [`${name}.ackP50Ms`]: atMost(p50, 3),
      ...(ratio === undefined ? {} : { [`${name}.ackP99Ratio`]: atMost(ratio, 1.1) }),
    },
  };
}

async function connectBoth({ platform, ca, peer, probing }: Servers, devices: EnrolledDevice[]): Promise<Both & AsyncDisposable> {
  const processes = Math.ceil(devices.length / perProcess);
  const ours = await startLoad({ host: "127.0.0.1", port: platform.mqttPort, ca, devices, processes });
  const theirs = peer && (await startLoad({ host: "127.0.0.1", port: peer.port, ca: peer.ca, devices, processes }));
  return {
    ...{ platform, ours, peer, theirs, probing },
    async [Symbol.asyncDispose]() {
      await ours[Symbol.asyncDispose]();
      await theirs?.[Symbol.asyncDispose]();
    },
  };
}

/** A-B-A-B: the machine's mood changes within a minute, and both shall have had both. Medians of all rounds. */
async function inTurn({ platform, ours, peer, theirs }: Both, phase: LoadPhase & { is: "count" }): Promise<Figures> {
  const results: Figures[] = [];
  // Code that runs for the first time is not what a fleet meets.
  await ours.run({ ...phase, each: Math.ceil(phase.each / 3) });
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

async function measureOurs(platform: Platform, load: Load, phase: LoadPhase): Promise<Figures> {
  const before = await cpuByPart(platform.pid);
  const report = await load.run(phase);
  await untilSettled(platform);
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
  platform: Platform;
  ours: Load;
  peer: Mosquitto | undefined;
  theirs: Load | undefined;
  probing: EnrolledDevice;
};

/** All devices in turn at a fixed rate: how long until PUBACK, beside the peer; and until a query shows what a device beside them publishes. */
async function pacedRound({ platform, ours, peer, theirs, probing }: Both, perSecond: number): Promise<Figures> {
  const phase: LoadPhase = { is: "pace", perSecond, seconds: paceSeconds, window: 8 };
  const peerBefore = peer ? await cpuOf([peer.pid]) : 0;
  const peers = theirs && (await theirs.run(phase));
  const peerCpu = peer ? (await cpuOf([peer.pid])) - peerBefore : 0;
  const before = await cpuByPart(platform.pid);
  const mine = await ours.run(phase);
  await untilSettled(platform);
  const after = await cpuByPart(platform.pid);
  await using probe = await openProbe(platform, probing);
  const [, watched] = await Promise.all([ours.run(phase), probe.watch(paceSeconds * 1_000)]);
  await untilSettled(platform);
  return {
    perSecond,
    ...prefixed("tenfold", { ...acks(mine), cpuMicros: sumOf(after, before) / mine.acknowledged }),
    ...(peers && {
      ...prefixed("mosquitto", { ...acks(peers), cpuMicros: (peerCpu * 1e6) / peers.acknowledged }),
      ackP99Ratio: mine.ack.percentile(0.99) / peers.ack.percentile(0.99),
    }),
    visibleSamples: watched.count,
    visibleP50Ms: watched.percentile(0.5),
    visibleP99Ms: watched.percentile(0.99),
  };
}

const sumOf = (after: Parts, before: Parts): number =>
  (after.platform + after.store + after.postgres - before.platform - before.store - before.postgres) * 1e6;
type Parts = Awaited<ReturnType<typeof cpuByPart>>;

const acks = ({ sent, acknowledged, ack, cpuSeconds, seconds }: Awaited<ReturnType<Load["run"]>>): Figures => ({
  ...{ sent, acknowledged, clientCpuShare: cpuSeconds / seconds },
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
  // Of one core: at 1 the load itself would be what is measured.
  clientCpuShare: report.cpuSeconds / report.seconds,
});

const ratios = (mine: Figures, other: Figures): Figures => ({
  cpuRatio: (mine.cpuMicros ?? 0) / (other.cpuMicros ?? 1),
  rateRatio: (mine.messagesPerSecond ?? 0) / (other.messagesPerSecond ?? 1),
});

/** Until nothing that is durable waits for the store: what a message costs includes that it can be queried. */
export async function untilStored({ url }: Pick<Platform, "url">): Promise<void> {
  for (;;) {
    const text = await (await fetch(new URL("/metrics", url))).text();
    if (/^tenfold_intake_backlog_frames 0$/m.test(text)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Nothing is left to store or to merge. */
async function untilSettled(platform: Platform): Promise<void> {
  await untilStored(platform);
  await untilIdle(platform.pid);
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
