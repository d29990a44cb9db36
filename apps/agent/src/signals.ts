import { existsSync, readFileSync, statfsSync } from "node:fs";
import { cpus, freemem, loadavg, totalmem } from "node:os";
import type { Sample } from "@tenfold/device";

/** What a Linux machine can say of itself. What it does not have is left out. */
export function measureMachine(folder: string): Sample[] {
  const percent = (share: number) => Math.round(share * 10_000) / 100;
  const disk = statfsSync(folder);
  const temperature = readTemperature();
  return [
    { metric: "cpu_load", value: percent((loadavg()[0] ?? 0) / Math.max(1, cpus().length)), unit: "%" },
    { metric: "memory_used", value: percent(1 - availableMemory() / totalmem()), unit: "%" },
    { metric: "disk_free", value: percent(disk.bavail / Math.max(1, disk.blocks)), unit: "%" },
    ...(temperature === undefined ? [] : [{ metric: "temperature", value: temperature, unit: "Cel" }]),
  ];
}

/** For heartbeats: what the kernel would not give back at once. */
export const memoryUse = (): { usedBytes: number; totalBytes: number } => ({
  usedBytes: Math.max(0, totalmem() - availableMemory()),
  totalBytes: totalmem(),
});

/**
 * Bytes that the machine received and sent since it was switched on: over its network cards, where it has any, so that bridges and tunnels
 * count nothing twice; else over everything but the loopback. Undefined where the kernel does not say (not Linux).
 */
export function networkBytes(): { rx: number; tx: number } | undefined {
  const table = readOptional("/proc/net/dev");
  return table === undefined ? undefined : sumOf(interfacesIn(table), (name) => existsSync(`/sys/class/net/${name}/device`));
}

type Interface = { readonly name: string; readonly rx: number; readonly tx: number };

/** `/proc/net/dev`: two lines of headings, then `name: rx_bytes … tx_bytes …` with eight numbers for each direction (proc(5)). */
export function interfacesIn(table: string): Interface[] {
  return table.split("\n").flatMap((line) => {
    const [, name, numbers] = /^\s*([^:\s]+):\s*(.+)$/.exec(line) ?? [];
    const [rx, tx] = [0, 8].map((at) => Number(numbers?.split(/\s+/)[at] ?? Number.NaN));
    return name === undefined || !Number.isFinite(rx) || !Number.isFinite(tx) ? [] : [{ name, rx: rx ?? 0, tx: tx ?? 0 }];
  });
}

export function sumOf(interfaces: readonly Interface[], isCard: (name: string) => boolean): { rx: number; tx: number } {
  const cards = interfaces.filter(({ name }) => isCard(name));
  const counted = cards.length > 0 ? cards : interfaces.filter(({ name }) => name !== "lo");
  return { rx: counted.reduce((sum, { rx }) => sum + rx, 0), tx: counted.reduce((sum, { tx }) => sum + tx, 0) };
}

/** `MemAvailable` counts what the kernel would give back; `freemem` does not. */
function availableMemory(): number {
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(readOptional("/proc/meminfo") ?? "")?.[1];
  return kilobytes === undefined ? freemem() : Number(kilobytes) * 1_024;
}

function readTemperature(): number | undefined {
  const milli = Number(readOptional("/sys/class/thermal/thermal_zone0/temp")?.trim() ?? Number.NaN);
  return Number.isFinite(milli) ? milli / 1_000 : undefined;
}

/** Whether a time service says that the clock is right. */
export const clockQuality = (): "synced" | "holdover" =>
  readOptional("/run/systemd/timesync/synchronized") === undefined ? "holdover" : "synced";

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
