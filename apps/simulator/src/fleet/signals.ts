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

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));
