import { readdir, readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";

const clockTicksPerSecond = 100;

/** A process and all that it started. Linux only. */
export async function familyOf(pid: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir("/proc")) {
    const stat = /^\d+$/.test(name) ? await readFile(`/proc/${name}/stat`, "utf8").catch(() => undefined) : undefined;
    if (stat !== undefined) parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
  }
  const family = [pid];
  for (const member of family) for (const [child, parent] of parents) if (parent === member) family.push(child);
  return family;
}

/** Memory that belongs to these processes, in bytes: shared pages are parted among those who share them (PSS). */
export async function memoryOf(pids: readonly number[]): Promise<number> {
  let kilobytes = 0;
  for (const pid of pids) {
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
    kilobytes += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
  }
  return kilobytes * 1024;
}

/** CPU seconds that these processes have used so far, with those of their children that have ended: PostgreSQL's come and go. */
export async function cpuOf(pids: readonly number[]): Promise<number> {
  let ticks = 0;
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
    const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
    for (const field of [11, 12, 13, 14]) ticks += Number(fields?.[field] ?? 0);
  }
  return ticks / clockTicksPerSecond;
}

/**
 * Resolves when this process and all that it started have used less than a tenth of a core for a second, or after `mostMs`. What a store still merges
 * belongs to the phase that wrote it, and neither to the next one nor to the peer that is measured meanwhile.
 */
export async function untilIdle(pid: number, mostMs = 30_000): Promise<void> {
  for (const deadline = performance.now() + mostMs; performance.now() < deadline; ) {
    const before = await cpuOf(await familyOf(pid));
    await wait(1_000);
    if ((await cpuOf(await familyOf(pid))) - before < 0.1) return;
  }
}

export type ByPart = { platform: number; store: number; postgres: number };

/** CPU seconds by part of the platform: its own process, the store's, and PostgreSQL's. */
export const cpuByPart = (pid: number): Promise<ByPart> => byPart(pid, cpuOf);

/** Bytes of memory (PSS) by part of the platform. */
export const memoryByPart = (pid: number): Promise<ByPart> => byPart(pid, memoryOf);

async function byPart(pid: number, measure: (pids: readonly number[]) => Promise<number>): Promise<ByPart> {
  const parts = { platform: 0, store: 0, postgres: 0 };
  for (const member of await familyOf(pid)) {
    const command = await readFile(`/proc/${member}/cmdline`, "utf8").catch(() => "");
    const part = member === pid ? "platform" : command.includes("chdb-worker") ? "store" : "postgres";
    parts[part] += await measure([member]);
  }
  return parts;
}
