import { readFileSync, statfsSync } from "node:fs";
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
