import { type RolloutPlan, type RolloutPolicy, rolloutPlan, type UpdatePin } from "@tenfold/contracts";
import { harmless, type Mode, modes } from "./device.ts";

/** What a seed makes of a run, apart from the weather. */
export type Scenario = {
  devices: { id: string; model: string; tags: Record<string, string>; battery: number; joins: "at_start" | "later" }[];
  plans: { version: string; atTick: number; plan: RolloutPlan }[];
  /** What each release does to each device. */
  modeOf: (version: string, device: string) => Mode;
  policy: RolloutPolicy;
  freeze: { fromTick: number; toTick: number } | undefined;
  pins: UpdatePin[];
  /** Somebody writes another plan over one that was approved. */
  tampers: "at_tick_20" | "never";
  /** Whether the first release is rolled out once more when its rollout was taken back. */
  again: "once_taken_back" | "never";
  /** What must be passed through on the way to a release: its stepping stone, by version. */
  stoneOf: Readonly<Record<string, string>>;
  crashes: number;
  loss: number;
  /** Devices hear only what they ask for, every so many ticks; pushed to and asking by chance where left out. */
  pollsEvery?: number;
};

type Random = () => number;
/** The day's clock face, and whether the way to release 3 leads over release 2: as a rollout after that of 2, or as the only one. */
type Given = Pick<Scenario, "again"> & { startOfDay: (minute: number) => string; stones: "none" | "after_it" | "only_over_it" };

export function scenarioOf(random: Random, { startOfDay, stones, again }: Given): Scenario {
  const chance = (p: number) => random() < p;
  const between = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
  const joins = chance(0.25);
  const devices = Array.from({ length: between(4, 18) }, (_, i) => ({
    id: `d${i}`,
    model: chance(0.7) ? "pump" : "valve",
    tags: { ready: chance(0.8) ? "yes" : "no" },
    battery: chance(0.85) ? 0.9 : 0.2,
    joins: joins && i > 2 && chance(0.2) ? ("later" as const) : ("at_start" as const),
  }));
  const bad = pick([0, 0, 0, 0.15, 0.3, 0.6, 1]);
  const fates = new Map<string, Mode>();
  const modeOf = (version: string, device: string): Mode => {
    const key = `${version}/${device}`;
    const fate = fates.get(key) ?? (random() < bad ? pick(modes) : pick([...harmless, "good", "good", "good", "good"]));
    fates.set(key, fate);
    return fate;
  };
  const stepTimeouts = () => ({
    ...(chance(0.5) ? { download: pick(["PT3M", "PT6M"]) } : {}),
    ...(chance(0.7) ? { install: pick(["PT2M", "PT4M"]) } : {}),
    ...(chance(0.7) ? { boot: pick(["PT3M", "PT5M"]) } : {}),
  });
  // One that is short closes while others still have something ready.
  const inWindow = (download: "ahead" | "with_install") => ({
    windows: [
      { from: startOfDay(10), to: startOfDay(pick(download === "ahead" ? [26, 40, 60, 170] : [40, 60, 170])), zone: "UTC" },
    ],
    ...(download === "ahead" ? { download } : {}),
  });
  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: what chance decides stands in one place.
  const plan = (version: string, weight: number): RolloutPlan =>
    rolloutPlan.parse({
      release: version,
      stages: pick([[{ share: 0.2 }, { share: 0.6 }, { share: 1 }], [{ share: 0.3 }, { share: 1 }], [{ share: 1 }]]),
      haltAbove: pick([0, 0.1, 0.3]),
      deadline: "PT10M",
      soak: pick(["PT0S", "PT2M", "PT5M"]),
      atOnce: between(1, 6),
      onHalt: chance(0.85) ? "roll_back" : "stop",
      giveUpAfter: "PT45M",
      weight,
      approvals: pick([0, 0, 1, 2]),
      lateJoiners: joins ? "join" : "leave",
      retries: {
        most: pick([0, 1, 2]),
        backoff: "PT2M",
        on: pick([["network"], ["network", "space", "unreached"], ["network", "install"]]),
      },
      // A step that takes the time of all must be seen to.
      ...(chance(0.35) ? { stepTimeouts: stepTimeouts(), deadline: "PT25M" } : {}),
      ...(chance(0.3) ? { perMinute: between(1, 3) } : {}),
      ...(chance(0.3) ? { strata: ["model"], perStratum: between(1, 2) } : {}),
      ...(chance(0.25) ? { jitter: "PT6M" } : {}),
      ...(chance(0.3) ? inWindow(chance(0.6) ? "ahead" : "with_install") : {}),
      ...(chance(0.2) ? { conditions: { batteryAtLeast: 0.5 } } : {}),
      ...(chance(0.2) ? { requires: { device: "tag:ready=yes" } } : {}),
    });
  const second = chance(0.4);
  const aim = stones === "only_over_it" ? "3" : "2";
  const first = plan(aim, 100);
  return {
    devices,
    modeOf,
    again,
    plans: [
      { version: aim, atTick: 1, plan: first },
      ...(second && aim === "2" ? [{ version: "3", atTick: between(3, 30), plan: plan("3", pick([50, 300])) }] : []),
    ],
    policy: { approvals: 0, windows: [], ...(chance(0.3) ? { atOnce: between(2, 5) } : {}) },
    freeze: chance(0.2) ? { fromTick: between(5, 20), toTick: between(40, 60) } : undefined,
    pins: chance(0.2)
      ? [{ id: "pin_1", filter: "id:d1", reason: "demo", createdBy: "x", createdAt: "", ...(chance(0.5) ? { version: "1" } : {}) }]
      : [],
    stoneOf: stones === "none" ? {} : { 3: "2" },
    tampers: first.approvals > 0 && chance(0.3) ? "at_tick_20" : "never",
    crashes: pick([0, 0.003, 0.01]),
    loss: pick([0, 0.1, 0.3]),
  };
}
