import type { Heartbeat } from "@tenfold/contracts";
import { versionKey } from "@tenfold/query";

/** One authenticated message: a sign of life at `at` (ms, the server's clock), with what it said when it was a heartbeat. */
export type Contact = { device: string; at: number; heartbeat?: Heartbeat };

/** Contacts of one device so close together that any lease covers the time between them. `leaseMs` null: the device's own lease. */
export type ContactRun = { device: string; from: number; last: number; leaseMs: number | null };

/** What a heartbeat says, made safe for the database. */
export type HeartbeatFacts = {
  device: string;
  at: number;
  leaseMs: number;
  bootId: string;
  uptimeS: number;
  model: string | null;
  version: string;
  versionKey: string;
  hash: string | null;
  slot: string | null;
  state: string;
};

// The shortest lease that contracts admit.
const shortestLease = 1_000;

/** Makes a batch small without losing a gap, a lease or a change of firmware. Pure; the order of the batch does not matter. */
export function foldContacts(contacts: readonly Contact[]): { runs: ContactRun[]; heartbeats: HeartbeatFacts[] } {
  const byDevice = Map.groupBy(
    contacts.toSorted((a, b) => a.at - b.at),
    (contact) => contact.device,
  );
  const folded = [...byDevice.values()].map((ofOne) => ({ runs: foldRuns(ofOne), heartbeats: foldHeartbeats(ofOne) }));
  return { runs: folded.flatMap(({ runs }) => runs), heartbeats: folded.flatMap(({ heartbeats }) => heartbeats) };
}

function foldRuns(contacts: readonly Contact[]): ContactRun[] {
  const runs: ContactRun[] = [];
  for (const { device, at, heartbeat } of contacts) {
    const open = runs.at(-1);
    const leaseMs = heartbeat ? leaseOf(heartbeat) : (open?.leaseMs ?? null);
    if (open !== undefined && open.leaseMs === leaseMs && at - open.last <= shortestLease) open.last = at;
    else runs.push({ device, from: at, last: at, leaseMs });
  }
  return runs;
}

/** The newest heartbeat, and before it those whose firmware differs from the one before them. */
function foldHeartbeats(contacts: readonly Contact[]): HeartbeatFacts[] {
  const facts = contacts.flatMap(({ device, at, heartbeat }) => (heartbeat ? [heartbeatFacts(device, at, heartbeat)] : []));
  return facts.filter((fact, i) => {
    const before = facts[i - 1];
    return i === facts.length - 1 || before === undefined || before.version !== fact.version || before.hash !== fact.hash;
  });
}

const leaseOf = (heartbeat: Heartbeat) => Math.max(shortestLease, Math.round(heartbeat.leaseS * 1_000));

function heartbeatFacts(device: string, at: number, heartbeat: Heartbeat): HeartbeatFacts {
  const version = storable(heartbeat.firmware.version);
  return {
    device,
    at,
    leaseMs: leaseOf(heartbeat),
    bootId: storable(heartbeat.bootId),
    uptimeS: heartbeat.uptimeS,
    model: heartbeat.model === undefined ? null : storable(heartbeat.model),
    version,
    versionKey: versionKey(version),
    hash: heartbeat.firmware.hash ?? null,
    slot: heartbeat.firmware.slot === undefined ? null : storable(heartbeat.firmware.slot),
    state: heartbeat.firmware.state,
  };
}

/** PostgreSQL cannot hold NUL or half a surrogate pair, and one device must not fail everybody's batch. */
export const storable = (text: string): string => text.toWellFormed().replaceAll("\0", "\u{fffd}");
