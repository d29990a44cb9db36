import { days, hours } from "@tenfold/base";
import type { KeepDays, RetentionClass } from "@tenfold/contracts";

/** How long each class is kept where nobody has said otherwise. The coarser, the longer; null is for ever. */
export const usualKeepDays: KeepDays = { raw: 90, minute: 400, hour: 1_827, events: 400, logs: 30 };

/** From when on nothing of these classes has been deleted. Milliseconds since 1970. */
export type Kept = { raw: number; minute: number };

/** What of a class has to go: everything before this moment, a whole day in UTC. Undefined where it is kept for ever. */
export const dueBefore = (keepDays: number | null, now: number): number | undefined =>
  keepDays === null ? undefined : Math.floor((now - days(keepDays)) / days(1)) * days(1);

/** A device's window in which nothing is deleted. */
export type HeldWindow = { devices: readonly string[]; from: number; until: number };

/** How long the time of one row lasts: a held moment holds the whole cell around it. */
export const rowMs: Readonly<Record<RetentionClass, number>> = { raw: 1, minute: 60_000, hour: hours(1), events: 1, logs: 1 };

/**
 * The SQL condition under which a row is held, and its parameters. Names are numbered, values are parameters: nothing a person typed stands
 * in the statement.
 */
export function heldCondition(
  holds: readonly HeldWindow[],
  kind: RetentionClass,
): { sql: string; parameters: Record<string, number | readonly string[]> } {
  const parameters: Record<string, number | readonly string[]> = {};
  const parts = holds.map(({ devices, from, until }, i) => {
    parameters[`held${i}`] = devices;
    parameters[`heldFrom${i}`] = from - rowMs[kind];
    parameters[`heldUntil${i}`] = until;
    return `(device IN ({held${i}:Array(String)}) AND ts > {heldFrom${i}:DateTime64(3)} AND ts < {heldUntil${i}:DateTime64(3)})`;
  });
  return { sql: parts.length === 0 ? "0" : `(${parts.join(" OR ")})`, parameters };
}

/** What goes from one partition (a month), and what stays in it. `bytes` is its share of the partition's size. */
export type PartitionPlan = {
  partition: string;
  rows: number;
  heldRows: number;
  bytes: number;
  /** Of the rows that go, milliseconds since 1970. */
  from: number;
  to: number;
  /** `drop` where nothing else lies in it: instant. `delete` rewrites the partition without the rows. */
  how: "drop" | "delete";
};

export type PartitionFacts = {
  partition: string;
  total: number;
  bytes: number;
  due: number;
  held: number;
  from: number;
  to: number;
};

/** Partitions without a row that goes are left out. */
export function planPartitions(facts: readonly PartitionFacts[]): PartitionPlan[] {
  return facts
    .filter(({ due, held }) => due > held)
    .map(({ partition, total, bytes, due, held, from, to }) => ({
      partition,
      rows: due - held,
      heldRows: held,
      bytes: Math.round((bytes * (due - held)) / total),
      from,
      to,
      how: held === 0 && due === total ? "drop" : "delete",
    }));
}
