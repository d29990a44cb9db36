import type { Kpi } from "@tenfold/contracts";
import { percent } from "../format.ts";

/** How a KPI's values are drawn: divided into a unit in which the axis has round numbers. */
export type Scale = { divide: number; write: (value: number) => string };

const round = (value: number): string => String(Number(value.toPrecision(4)));

const lengths: readonly { unit: string; ms: number }[] = [
  { unit: "d", ms: 86_400_000 },
  { unit: "h", ms: 3_600_000 },
  { unit: "min", ms: 60_000 },
  { unit: "s", ms: 1_000 },
];

export function scaleOf(unit: Kpi["unit"], highest: number): Scale {
  if (unit === "ratio") return { divide: 1, write: (value) => percent(value, 3) };
  const msPerUnit = unit === "s" ? 1_000 : 1;
  const length = lengths.find(({ ms }) => highest * msPerUnit >= 2 * ms) ?? { unit: "ms", ms: 1 };
  return { divide: length.ms / msPerUnit, write: (value) => `${round(value)} ${length.unit}` };
}

/** A target far outside what was measured would flatten the line: it is told in words only. */
export function drawnTarget(target: number, [lowest, highest]: readonly [number, number]): number | undefined {
  const span = Math.max(highest - lowest, highest * 0.2, Number.EPSILON);
  return target > highest + 2 * span || target < lowest - 2 * span ? undefined : target;
}
