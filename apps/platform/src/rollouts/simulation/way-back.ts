/**
 * How soon devices are back after a halt: a fleet that only polls meets a release that is bad for a share of it, with the production controller
 * and the promises of every simulated run.
 */
import { seededRandom } from "@tenfold/base";
import { rolloutPlan } from "@tenfold/contracts";
import { harmless, modes } from "./device.ts";
import type { Scenario } from "./scenario.ts";
import { play, type Run } from "./world.ts";

/** In ticks of 30 s: five minutes, what hawkBit tells its clients. */
const pollsEvery = 10;

export type WayBack = { halted: "yes" | "no"; exposed: number; reachable: number; backInTime: number; broken: string[] };

/** Devices that ran the release after the halt, how many of them could be reached, and how many of those ran the old one two polls later. */
export async function measureWayBack(seed: string): Promise<WayBack> {
  const random = seededRandom(seed);
  const scenario = scenarioOf(random);
  const since = new Map<string, number>();
  const back = new Map<string, number>();
  let dead = 0;
  const look = ({ disk, devices, tick }: Run) => {
    const rollout = disk.rollouts.get("rol_0");
    if (rollout === undefined || (rollout.phase !== "rolling_back" && rollout.phase !== "rolled_back")) return;
    const wrong = rollout.release.sha256;
    for (const { id, alive, runs } of devices.values()) {
      if (runs.hash === wrong && alive && !since.has(id)) since.set(id, tick);
      const from = since.get(id);
      if (from !== undefined && runs.hash !== wrong && !back.has(id)) back.set(id, tick - from);
    }
    dead = [...devices.values()].filter(({ alive }) => !alive).length;
  };
  const { broken, phases } = await play(seed, { random, scenario, look });
  const backInTime = [...back.values()].filter((ticks) => ticks <= 2 * pollsEvery).length;
  return {
    halted: phases.includes("rolled_back") ? "yes" : "no",
    exposed: since.size + dead,
    reachable: since.size,
    backInTime,
    broken,
  };
}

function scenarioOf(random: () => number): Scenario {
  const share = 0.1 + 0.3 * random();
  const bad = modes.filter((mode) => !harmless.has(mode));
  const fates = new Map<string, (typeof modes)[number]>();
  return {
    devices: Array.from({ length: 80 }, (_, i) => ({
      ...{ id: `d${i}`, model: "pump", tags: { ready: "yes" }, battery: 0.9, joins: "at_start" as const },
    })),
    modeOf(version, device) {
      const key = `${version}/${device}`;
      const fate = fates.get(key) ?? (random() < share ? (bad[Math.floor(random() * bad.length)] ?? "good") : "good");
      fates.set(key, fate);
      return fate;
    },
    plans: [
      {
        version: "2",
        atTick: 1,
        plan: rolloutPlan.parse({
          release: "2",
          stages: [{ share: 0.25 }, { share: 1 }],
          haltAbove: 0.2,
          deadline: "PT20M",
          soak: "PT1M",
          retries: { most: 0 },
        }),
      },
    ],
    policy: { approvals: 0, windows: [] },
    freeze: undefined,
    pins: [],
    tampers: "never",
    again: "never",
    stoneOf: {},
    crashes: 0,
    loss: 0,
    pollsEvery,
  };
}
