import { hash32 } from "@tenfold/base";
import type { Sample } from "@tenfold/device";

const day = 86_400_000;

/**
 * What a pretend machine measures: temperature with its daily wave, vibration, and a battery that empties over weeks. Pure: device,
 * time and chance decide. Values are rounded as a real sensor would.
 */
export function measure(device: string, now: number, chance: () => number): Sample[] {
  const nature = hash32(device) / 2 ** 32;
  const wave = Math.sin(((now % day) / day + nature / 8) * 2 * Math.PI);
  const noise = chance() + chance() + chance() - 1.5;
  return [
    { metric: "temperature", value: rounded(18 + 8 * nature + 4 * wave + 0.3 * noise, 2), unit: "Cel" },
    { metric: "vibration", value: rounded(Math.max(0, 1.2 + nature + 0.15 * noise), 3), unit: "m/s2" },
    { metric: "battery", value: rounded(batteryLevel(device, now) * 100, 1), unit: "%EL" },
  ];
}

/** Between 0.2 and 1: three weeks of use, then a new one. */
export function batteryLevel(device: string, now: number): number {
  const cycle = 21 * day;
  const phase = hash32(`${device}:battery`) / 2 ** 32;
  return 1 - 0.8 * ((now / cycle + phase) % 1);
}

const mebi = 1_048_576;
const totalMiB = 256;

/** Main memory in use: what the machine's nature needs, a little more and less, and a megabyte a second where the firmware leaks. */
export function memoryUse(
  device: string,
  { upMs, leaks, chance }: { upMs: number; leaks: "leaks" | "tidy"; chance: () => number },
): { usedBytes: number; totalBytes: number } {
  const nature = hash32(`${device}:memory`) / 2 ** 32;
  const leaked = leaks === "leaks" ? upMs / 1_000 : 0;
  const used = Math.min(totalMiB, 60 + 40 * nature + 2 * chance() + leaked);
  return { usedBytes: Math.round(used * mebi), totalBytes: totalMiB * mebi };
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));
