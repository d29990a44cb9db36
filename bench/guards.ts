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

export function playRollout(
  { failure, weather, leak = 0, drain = 0, crashes = 0, devices, stages, guards = "on" }: Scenario,
  seed: string,
): Outcome {
  const random = seededRandom(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const fleet = new Map<string, Device>();
  for (let i = 0; i < devices; i++) {
    const id = `d${i}`;
    // What a device is like for good: some leak a little by themselves, some crash every day, some are chatty.
    fleet.set(id, {
      id,
      site: siteOf(hash32(`${seed}/${id}`)),
      drift: 0.01 * Math.abs(normal()),
      thirst: 0.01 * Math.exp(normal() / 2),
      crashy: random() < 0.03 ? 1 : 0.01,
      traffic: Math.exp(normal()),
    });
  }
  const rule = { watch: guards === "on" ? guardName.options : [], falseHalts, least };
  const mark = haltAtLogEBeside(rule);
  const places = placeDevices(
    seed,
    [...fleet.keys()].map((device) => ({ device, stratum: "" })),
    { shares: stages },
  );
  const each = controlsEach(stageSizes(places, stages.length));
  const used = new Set<string>();
  const counts = new Map<GuardName, RankCount[]>(guardName.options.map((guard) => [guard, []]));
  const devicesOf = (some: typeof places) => some.flatMap(({ device }) => fleet.get(device) ?? []);
  let [exposed, harmed] = [0, 0];

  for (let stage = 0; stage < stages.length; stage++) {
    const inStage = places.filter((place) => place.stage === stage);
    // Somewhere in the stage the network of a site goes away, for everybody there.
    const darkFrom = weather === "outage" ? Math.floor(random() * inStage.length) : Number.POSITIVE_INFINITY;
    const darkSite = siteOf(Math.floor(random() * 1_000_003));
    const verified: string[] = [];
    const reached = places.filter((place) => place.stage < stage).length;
    for (const [turn, { device }] of inStage.entries()) {
      const one = fleet.get(device);
      if (one === undefined) continue;
      exposed += 1;
      const cutOff = turn >= darkFrom && one.site === darkSite;
      // Those around are cut off too: its deadline is put off until it is heard again, and then it is judged like any other.
      const around = {
        untouched: places.filter(({ place }) => place > reached + turn),
        settled: places.filter((place) => place.stage < stage),
      };
      if (cutOff && !isDark(darkSite, { untouched: devicesOf(around.untouched), settled: devicesOf(around.settled) })) harmed += 1;
      else if (random() < failure) harmed += 1;
      else verified.push(device);
      if (logEvidence(harmed, exposed) >= mark) return { halted: "failures", exposed };
    }
    if ((each[stage] ?? 0) === 0 || guards === "off") continue;
    const candidates = places
      .filter((place) => place.stage > stage && !used.has(place.device))
      .toReversed()
      .map(({ device }) => candidateOf(fleet.get(device)));
    const sets = matchControls(
      verified.filter((device) => !used.has(device)).map((device) => candidateOf(fleet.get(device))),
      candidates,
      each[stage] ?? 0,
    );
    const hot = normal();
    for (const { exposed: device, controls } of sets) {
      for (const member of [device, ...controls]) used.add(member);
      const outage = weather === "outage" && random() < 0.5;
      for (const [guard, list] of counts) {
        const measured = (id: string, updated: boolean) => {
          const one = fleet.get(id);
          if (one === undefined) return 0;
          const cut = outage && one.site === darkSite;
          switch (guard) {
            case "memory":
              return one.drift + 0.01 * hot + 0.01 * normal() + (updated ? leak : 0);
            case "battery":
              return one.thirst * (1 + 0.3 * hot) + 0.002 * normal() + (cut ? 0.02 : 0) + (updated ? drain : 0);
            case "crashes":
              return poisson(random, (one.crashy * 0.2 + (updated ? crashes : 0)) * watched);
            case "reachable":
              return Math.round(1_000 * (random() < 0.9 ? 0 : random() * 0.2) + (cut ? 500 : 0)) / 1_000;
            case "data":
              return one.traffic * Math.exp(0.2 * normal()) * (cut ? 0.4 : 1);
          }
        };
        const rank = rankAmong(
          measured(device, true),
          controls.map((control) => measured(control, false)),
        );
        if (rank) list.push([rank.controls, rank.worse, rank.equal, 1]);
      }
    }
    const sums = [...counts].map(([guard, list]) => ({ guard, counts: list, exposedMedian: null, controlMedian: null }));
    const halting = haltingGuard(weighGuards(rule, sums));
    if (halting) return { halted: halting.guard, exposed };
  }
  return { halted: "no", exposed };
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
