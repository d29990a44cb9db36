import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { LoadOrders, LoadReport } from "./load-client.ts";

const run = promisify(execFile);
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

/** CPU seconds that these processes have used so far. */
export async function cpuOf(pids: readonly number[]): Promise<number> {
  let ticks = 0;
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
    const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0);
  }
  return ticks / clockTicksPerSecond;
}

/** Runs a load in a process of its own and resolves to what it measured. */
export async function load(orders: LoadOrders): Promise<LoadReport> {
  const dir = await mkdtemp(join(tmpdir(), "tenfold-load-"));
  try {
    const file = join(dir, "orders.json");
    await writeFile(file, JSON.stringify(orders));
    const { stdout } = await run(process.execPath, [join(import.meta.dirname, "load-client.ts"), file], {
      timeout: 300_000,
      maxBuffer: 1 << 20,
    });
    return JSON.parse(stdout) as LoadReport;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
