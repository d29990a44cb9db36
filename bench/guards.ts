/**
 * A fleet in which devices differ for good, follow the day, drift and drop out, with the gates of a rollout on top: what the two-sample guards
 * halt, and when. The planner's own functions judge; only the fleet is made up.
 */
import { hash32, seededRandom } from "@tenfold/base";
import { type GuardName, guardName, guardPlan } from "@tenfold/contracts";
import { haltAtLogEBeside, logEvidence } from "../apps/platform/src/rollouts/gate.ts";
import { darknessAround } from "../apps/platform/src/rollouts/guards/darkness.ts";
import { haltingGuard, type RankCount, weighGuards } from "../apps/platform/src/rollouts/guards/evidence.ts";
import { controlsEach, matchControls, rankAmong, strataOf } from "../apps/platform/src/rollouts/guards/matching.ts";
import { placeDevices, stageSizes } from "../apps/platform/src/rollouts/membership.ts";

export type Weather = "fair" | "outage";
export type Scenario = {
  /** Share of devices that fail, fall back or fall silent for good. */
  failure: number;
  weather: Weather;
  /** What the new version adds: growth of memory an hour (share of what is used), charge lost an hour, crashes an hour. */
  leak?: number;
  drain?: number;
  crashes?: number;
  devices: number;
  stages: readonly number[];
  guards?: "on" | "off";
};

export type Outcome = { halted: "no" | "failures" | GuardName; exposed: number };

const { falseHalts, least } = guardPlan.parse({});
/** How long a device is watched, hours: a soak of one hour, of which the first ten minutes settle. */
const watched = 5 / 6;

type Device = { id: string; site: string; drift: number; thirst: number; crashy: number; traffic: number };

/** The sites are unequal, as they are: the first has a third of all devices. */
const siteOf = (n: number): string => `s${n % 3 === 0 ? 0 : 1 + (n % 7)}`;

/** A rollout as it is being played. */
type World = {
  scenario: Scenario;
  random: () => number;
  normal: () => number;
  fleet: ReadonlyMap<string, Device>;
  places: readonly Place[];
  rule: { watch: readonly GuardName[]; falseHalts: number; least: number };
  used: Set<string>;
  counts: ReadonlyMap<GuardName, RankCount[]>;
  exposed: number;
  harmed: number;
};
type Place = ReturnType<typeof placeDevices>[number];

export function playRollout(scenario: Scenario, seed: string): Outcome {
  const world = worldOf(scenario, seed);
  const each = controlsEach(stageSizes(world.places, scenario.stages.length));
  for (let stage = 0; stage < scenario.stages.length; stage++) {
    const darkSite = siteOf(Math.floor(world.random() * 1_000_003));
    const verified = offerStage(world, stage, darkSite);
    if (verified === "halted") return { halted: "failures", exposed: world.exposed };
    if ((each[stage] ?? 0) === 0 || world.rule.watch.length === 0) continue;
    compareStage(world, { stage, verified, each: each[stage] ?? 0, darkSite });
    const sums = [...world.counts].map(([guard, list]) => ({ guard, counts: list, exposedMedian: null, controlMedian: null }));
    const halting = haltingGuard(weighGuards(world.rule, sums));
    if (halting) return { halted: halting.guard, exposed: world.exposed };
  }
  return { halted: "no", exposed: world.exposed };
}

function worldOf(scenario: Scenario, seed: string): World {
  const random = seededRandom(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  // What a device is like for good: some leak a little by themselves, some crash every day, some are chatty.
  const fleet = new Map(
    Array.from({ length: scenario.devices }, (_, i) => `d${i}`).map((id) => {
      const site = siteOf(hash32(`${seed}/${id}`));
      const [drift, thirst] = [0.01 * Math.abs(normal()), 0.01 * Math.exp(normal() / 2)];
      return [id, { id, site, drift, thirst, crashy: random() < 0.03 ? 1 : 0.01, traffic: Math.exp(normal()) }] as const;
    }),
  );
  const members = [...fleet.keys()].map((device) => ({ device, stratum: "" }));
  return {
    ...{ scenario, random, normal, fleet },
    places: placeDevices(seed, members, { shares: scenario.stages }),
    rule: { watch: scenario.guards === "off" ? [] : guardName.options, falseHalts, least },
    used: new Set(),
    counts: new Map(guardName.options.map((guard) => [guard, [] as RankCount[]])),
    exposed: 0,
    harmed: 0,
  };
}

const devicesOf = ({ fleet }: World, places: readonly Place[]): Device[] => places.flatMap(({ device }) => fleet.get(device) ?? []);

/** Offers the release to a stage, device by device; somewhere in it the network of a site goes away, for everybody there. */
function offerStage(world: World, stage: number, darkSite: string): string[] | "halted" {
  const { scenario, random, places, rule, fleet } = world;
  const inStage = places.filter((place) => place.stage === stage);
  const reached = places.filter((place) => place.stage < stage).length;
  const darkFrom = scenario.weather === "outage" ? Math.floor(random() * inStage.length) : Number.POSITIVE_INFINITY;
  const verified: string[] = [];
  for (const [turn, { device }] of inStage.entries()) {
    world.exposed += 1;
    const cutOff = turn >= darkFrom && fleet.get(device)?.site === darkSite;
    // Those around are cut off too: its deadline is put off until it is heard again, and then it is judged like any other.
    const untouched = devicesOf(world, cutOff ? places.filter(({ place }) => place > reached + turn) : []);
    const settled = devicesOf(world, cutOff ? places.filter((place) => place.stage < stage) : []);
    if (cutOff && !isDark(darkSite, { untouched, settled })) world.harmed += 1;
    else if (random() < scenario.failure) world.harmed += 1;
    else verified.push(device);
    if (logEvidence(world.harmed, world.exposed) >= haltAtLogEBeside(rule)) return "halted";
  }
  return verified;
}

type Comparing = { stage: number; verified: readonly string[]; each: number; darkSite: string };

function compareStage(world: World, { stage, verified, each, darkSite }: Comparing): void {
  const { scenario, random, normal, fleet, places, used, counts } = world;
  const free = places.filter((place) => place.stage > stage && !used.has(place.device)).toReversed();
  const candidates = (devices: readonly string[]) => devices.map((device) => candidateOf(fleet.get(device)));
  const sets = matchControls(
    candidates(verified.filter((device) => !used.has(device))),
    candidates(free.map(({ device }) => device)),
    each,
  );
  // The weather of the stage, hot or cold, for everybody.
  const hot = normal();
  for (const { exposed, controls } of sets) {
    for (const member of [exposed, ...controls]) used.add(member);
    const outage = scenario.weather === "outage" && random() < 0.5;
    for (const [guard, list] of counts) {
      const value = (id: string, updated: boolean) => {
        const device = fleet.get(id);
        return device === undefined ? 0 : measured(world, { guard, device, updated, hot, cut: outage && device.site === darkSite });
      };
      const rank = rankAmong(
        value(exposed, true),
        controls.map((control) => value(control, false)),
      );
      if (rank) list.push([rank.controls, rank.worse, rank.equal, 1]);
    }
  }
}

type Measuring = { guard: GuardName; device: Device; updated: boolean; hot: number; cut: boolean };

function measured({ scenario, random, normal }: World, { guard, device, updated, hot, cut }: Measuring): number {
  const { leak = 0, drain = 0, crashes = 0 } = updated ? scenario : {};
  switch (guard) {
    case "memory":
      return device.drift + 0.01 * hot + 0.01 * normal() + leak;
    case "battery":
      return device.thirst * (1 + 0.3 * hot) + 0.002 * normal() + (cut ? 0.02 : 0) + drain;
    case "crashes":
      return poisson(random, (device.crashy * 0.2 + crashes) * watched);
    case "reachable":
      return Math.round(1_000 * (random() < 0.9 ? 0 : random() * 0.2) + (cut ? 500 : 0)) / 1_000;
    case "data":
      return device.traffic * Math.exp(0.2 * normal()) * (cut ? 0.4 : 1);
  }
}

const candidateOf = (device: Device | undefined) => ({
  device: device?.id ?? "",
  strata: strataOf({ model: "pump", tags: { site: device?.site ?? "" } }, ["site"]),
});

function isDark(site: string, { untouched, settled }: { untouched: readonly Device[]; settled: readonly Device[] }): boolean {
  const seen = (one: Device) => ({ strata: candidateOf(one).strata, ...(one.site === site ? { silentSince: 1 } : {}) });
  const strata = strataOf({ model: "pump", tags: { site } }, ["site"]);
  return darknessAround(strata, { untouched: untouched.map(seen), settled: settled.map(seen) }, 0) !== undefined;
}

function poisson(random: () => number, mean: number): number {
  let [n, left] = [0, Math.exp(-mean)];
  for (let product = random(); product > left; product *= random()) n += 1;
  return n;
}
