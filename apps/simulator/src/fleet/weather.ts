/** How good the network is. Times are milliseconds; shares are of links or downloads. */
export type Weather = {
  /** A message's extra way to the platform, at most. */
  readonly latencyMs: number;
  /** Mean life of a link; 0 where links do not break by themselves. */
  readonly linkLifeMs: number;
  /** Share of downloads that break off somewhere. */
  readonly brokenDownloads: number;
};

export const profiles = {
  good: { latencyMs: 0, linkLifeMs: 0, brokenDownloads: 0 },
  "flaky-cellular": { latencyMs: 400, linkLifeMs: 60_000, brokenDownloads: 0.3 },
} as const satisfies Record<string, Weather>;
export type ProfileName = keyof typeof profiles;

/** A link that breaks every few seconds, for firmware that spoils the radio. */
export const weakened = (weather: Weather): Weather => ({
  ...weather,
  linkLifeMs: 8_000,
  brokenDownloads: Math.max(weather.brokenDownloads, 0.5),
});

/** When a link that opens now breaks: exponential about its mean life, as breakdowns without a memory are. */
export const breaksAt = ({ linkLifeMs }: Weather, now: number, chance: number): number =>
  linkLifeMs === 0 ? Number.POSITIVE_INFINITY : now - linkLifeMs * Math.log(1 - chance);
