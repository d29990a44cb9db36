import type { Sample } from "@tenfold/device";
import type { Recording, Row } from "./recording.ts";

export type SeriesFigures = { device: string; metric: string; count: number; sum: number; firstAt: string; lastAt: string };

/** What is to be sent: by device, in the file's order, with times moved by one constant. */
export type ReplayPlan = {
  readonly shiftMs: number;
  readonly devices: ReadonlyMap<string, readonly Row[]>;
  readonly points: number;
  /** What the store must hold afterwards. */
  readonly series: readonly SeriesFigures[];
};

/** Moves a recording in time so that it ends at `endsAt`: the platform takes no device time that is older than a year. */
export function planReplay({ rows }: Recording, { prefix, endsAt }: { prefix: string; endsAt: number }): ReplayPlan {
  const shiftMs = endsAt - rows.reduce((latest, { at }) => Math.max(latest, at), Number.NEGATIVE_INFINITY);
  const devices = Map.groupBy(
    rows.map((row) => ({ ...row, at: row.at + shiftMs })),
    ({ series }) => `${prefix}-${series}`.slice(0, 64),
  );
  return {
    shiftMs,
    devices,
    points: rows.reduce((sum, { values }) => sum + values.length, 0),
    series: [...devices].flatMap(([device, mine]) => figuresOf(device, mine)),
  };
}

function figuresOf(device: string, rows: readonly Row[]): SeriesFigures[] {
  const byMetric = Map.groupBy(
    rows.flatMap(({ at, values }) => values.map((sample) => ({ at, ...sample }))),
    ({ metric }) => metric,
  );
  return [...byMetric].map(([metric, samples]) => ({
    device,
    metric,
    count: samples.length,
    sum: samples.reduce((sum, { value }) => sum + Number(value), 0),
    firstAt: new Date(Math.min(...samples.map(({ at }) => at))).toISOString(),
    lastAt: new Date(Math.max(...samples.map(({ at }) => at))).toISOString(),
  }));
}

/** Rows in pieces that are one message each: at most `maxPoints` points, and never half a row. */
export function messagesOf(rows: readonly Row[], maxPoints: number): { at: number; samples: Sample[] }[] {
  const messages: { at: number; samples: Sample[] }[] = [];
  for (const { at, values } of rows) {
    const last = messages.at(-1);
    const samples = values.map((sample) => ({ ...sample, at }));
    if (last && last.samples.length + samples.length <= maxPoints) last.samples.push(...samples);
    else messages.push({ at, samples });
  }
  return messages;
}
