import { readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { collectable, collectGarbage } from "./collect.ts";
import type { CrowdKind, CrowdOrders } from "./crowd.ts";
import { gather } from "./crowds.ts";
import type { Stage } from "./fault.ts";
import type { Platform } from "./platform.ts";

/** What a connection may cost that has not begun its handshake, KiB. */
const mostKib = 16;
/** What all together may cost that have begun it, MiB: 512 of them at most, whatever the crowd. */
const mostMib = 64;

type Standing = Pick<CrowdOrders, "many" | "perSecond" | "addresses"> & {
  kind: CrowdKind;
  /** When to look, from when the last of them was connected, milliseconds. */
  afterMs: number;
  cost: "each" | "together";
};

/** Those that stay long enough to be looked at. The others are gone before a collection is over. */
const standing: readonly Standing[] = [
  { kind: "silent", many: 3_000, perSecond: 1_500, addresses: 1, afterMs: 500, cost: "each" },
  { kind: "halfHandshake", many: 3_000, perSecond: 1_500, addresses: 1, afterMs: 500, cost: "each" },
  { kind: "slowloris", many: 1_500, perSecond: 1_000, addresses: 200, afterMs: 500, cost: "each" },
  { kind: "zeroWindow", many: 1_500, perSecond: 1_500, addresses: 200, afterMs: 1_500, cost: "together" },
  { kind: "noCertificate", many: 900, perSecond: 300, addresses: 50, afterMs: 0, cost: "together" },
];

/** What each kind costs in memory that is in use: each beside a platform of its own, so that nothing fills what another left, and after a collection. */
export async function weigh(stage: Stage): Promise<void> {
  for (const kind of standing) await weighOne(stage, kind);
}

async function weighOne(stage: Stage, { kind, many, perSecond, addresses, afterMs, cost }: Standing): Promise<void> {
  const platform = await stage.start({ nodeFlags: collectable });
  const orders = { kind, perSecond, addresses, port: platform.mqttPort, waitMs: 30_000 };
  // The code and the pools that the first of a kind brings with it are not the crowd's.
  await gather({ ...orders, many: 60, perSecond: 60 });
  const before = await inUse(platform);
  let grown = 0;
  let there = 0;
  await gather({ ...orders, many }, async () => {
    await wait(afterMs);
    grown = (await inUse(platform)) - before;
    there = standingAt(platform.mqttPort);
  });
  await platform.end("SIGTERM");
  const each = grown / 1_024 / Math.max(1, there);
  const mib = grown / 1_048_576;
  stage.note(`${kind}: ${there} that stood cost ${each.toFixed(1)} KiB each after a collection, ${mib.toFixed(1)} MiB together`);
  if (cost === "each") stage.holds(`${kind}: none costs more than ${mostKib} KiB`, each <= mostKib, `${each.toFixed(1)} KiB`);
  else stage.holds(`${kind}: all together cost no more than ${mostMib} MiB`, mib <= mostMib, `${mib.toFixed(1)} MiB`);
}

/** TCP connections that stand at this port, as the kernel knows them. */
const standingAt = (port: number): number =>
  readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((row) => row.trim().split(/\s+/))
    .filter(([, local = "", , state]) => state === "01" && Number.parseInt(local.split(":")[1] ?? "", 16) === port).length;

/** Bytes of the platform's own process after it has collected its garbage. */
async function inUse(platform: Platform): Promise<number> {
  await collectGarbage(platform);
  // Not with its share of what it has in common with other processes: that changes when the crowd, which is Node too, comes and goes.
  const rollup = readFileSync(`/proc/${platform.pid}/smaps_rollup`, "utf8");
  return Number(/^Anonymous:\s+(\d+)/m.exec(rollup)?.[1] ?? Number.NaN) * 1_024;
}
