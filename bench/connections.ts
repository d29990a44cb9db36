/**
 * Connections over mutual TLS: what a handshake costs, full and resumed, and what an idle connection weighs, beside mosquitto in the same run;
 * and how long all devices take to come back after a restart. `--devices=10000 --rounds=3`, `--keep=DIR` keeps the
 * enrolled devices for the next run.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { collectable, collectGarbage } from "../tools/faults/collect.ts";
import type { Platform } from "../tools/faults/platform.ts";
import type { EnrolledDevice } from "./fleet.ts";
import { type KeptFleet, openFleet, unlimited } from "./kept-fleet.ts";
import { type Load, startLoad } from "./load.ts";
import { medians, prefixed } from "./messages.ts";
import { runMosquitto } from "./mosquitto.ts";
import { option } from "./options.ts";
import { cpuOf, familyOf, memoryOf } from "./processes.ts";
import { atMost, type BenchResult } from "./result.ts";

const devices = Number(option("devices", "10000"));
const rounds = Number(option("rounds", "3"));
/** How many connections a handshake's cost is measured over. */
const sample = Math.min(devices, 500);
const perProcess = 5_000;

type Figures = Record<string, number>;
type Server = {
  host: string;
  port: number;
  ca: string;
  pids(): Promise<number[]>;
  /** Has it collect its garbage, where it has any. */
  collect(): Promise<void>;
};

export async function run(): Promise<BenchResult> {
  await using kept = await openFleet({ devices, env: unlimited, nodeFlags: collectable });
  const { figures, aims } = await besidePeer(kept.platform(), kept.devices);
  await kept.restart("SIGTERM", {});
  const back = await afterRestart(kept);
  return { bench: "connections", figures: { ...figures, ...back }, aims };
}

async function besidePeer(platform: Platform, fleet: readonly EnrolledDevice[]): Promise<Pick<BenchResult, "figures" | "aims">> {
  const ca = await readFile(platform.ca, "utf8");
  const issuing = await readFile(join(platform.dataDir, "pki", "issuing.pem"), "utf8");
  await using peer = await runMosquitto(ca + issuing);
  const ours: Server = {
    host: "127.0.0.1",
    port: platform.mqttPort,
    ca,
    pids: () => familyOf(platform.pid),
    collect: () => collectGarbage(platform),
  };
  const theirs: Server | undefined = peer && { host: "127.0.0.1", ...peer, pids: async () => [peer.pid], collect: async () => {} };
  const results: Figures[] = [];
  for (let round = 0; round < rounds; round++) {
    const mine = await handshakes(ours, fleet);
    const other = theirs && (await handshakes(theirs, fleet));
    results.push({
      ...prefixed("tenfold", mine),
      ...(other && { ...prefixed("mosquitto", other), handshakeCpuRatio: (mine.fullCpuMs ?? 0) / (other.fullCpuMs ?? 1) }),
    });
  }
  const figures = medians(results);
  const idle = await idleKiB(ours, fleet);
  Object.assign(figures, prefixed("tenfold", idle), theirs && prefixed("mosquitto", await idleKiB(theirs, fleet)));
  const aims: BenchResult["aims"] = { "idleKiB a connection": atMost(idle.idleKiB, 50) };
  if (figures.handshakeCpuRatio !== undefined) aims.handshakeCpuRatio = atMost(figures.handshakeCpuRatio, 0.75);
  return { figures, aims };
}

/** From nothing to CONNACK, and back again with the TLS session of before. */
async function handshakes({ host, port, ca, pids }: Server, fleet: readonly EnrolledDevice[]): Promise<Figures> {
  const some = fleet.slice(0, sample);
  const cpu = async () => cpuOf(await pids());
  const before = await cpu();
  await using load = await startLoad({ host, port, ca, devices: some });
  const full = await cpu();
  // Tickets come after the handshake; and the second full round leaves out the client's own start.
  await wait(500);
  const start = await cpu();
  const again = await load.run({ is: "comeBack", withinS: 0, resume: "anew" });
  const middle = await cpu();
  await wait(500);
  const resumedStart = await cpu();
  const resumed = await load.run({ is: "comeBack", withinS: 0, resume: "resume" });
  return {
    fullCpuMs: (((full - before + (middle - start)) / 2) * 1_000) / some.length,
    fullPerSecond: some.length / again.seconds,
    resumedCpuMs: (((await cpu()) - resumedStart) * 1_000) / some.length,
    resumedPerSecond: some.length / resumed.seconds,
    resumedShare: resumed.resumed / some.length,
  };
}

/** Memory that silent connections hold (PSS, all processes), KiB each; and with the garbage of their handshakes, which V8 has not collected yet. */
async function idleKiB({ host, port, ca, pids, collect }: Server, fleet: readonly EnrolledDevice[]) {
  await collect();
  const before = await memoryOf(await pids());
  await using load = await startLoad({ host, port, ca, devices: [...fleet], processes: processesFor(fleet) });
  const each = async () => ((await memoryOf(await pids())) - before) / 1024 / load.connections;
  await wait(15_000);
  const idleWithGarbageKiB = await each();
  await collect();
  return { idleKiB: await each(), idleWithGarbageKiB };
}

/** The server dies and is started again: how long until every device is back, spread as they are told to be, and all at once. */
async function afterRestart(kept: KeptFleet): Promise<Figures> {
  const [platform, fleet] = [kept.platform(), kept.devices];
  const ca = await readFile(platform.ca, "utf8");
  await using load: Load = await startLoad({
    ...{ host: "127.0.0.1", port: platform.mqttPort, ca, devices: [...fleet], processes: processesFor(fleet) },
  });
  const withinS = Math.max(30, Math.ceil(fleet.length / 300));
  await kept.restart("SIGKILL", {});
  const spread = await load.run({ is: "comeBack", withinS, resume: "resume" });
  await kept.restart("SIGKILL", {});
  const atOnce = await load.run({ is: "comeBack", withinS: 0, resume: "resume" });
  const of = (name: string, report: typeof spread): Figures => ({
    [`${name}.seconds`]: report.seconds,
    [`${name}.p50Seconds`]: report.ack.percentile(0.5) / 1_000,
    [`${name}.failedAttempts`]: report.lost,
  });
  return {
    "back.devices": fleet.length,
    "back.toldWithinSeconds": withinS,
    ...of("back.spread", spread),
    ...of("back.atOnce", atOnce),
  };
}

const processesFor = (fleet: readonly EnrolledDevice[]) => Math.ceil(fleet.length / perProcess);
