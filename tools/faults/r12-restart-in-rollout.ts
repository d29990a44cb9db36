import { setTimeout as wait } from "node:timers/promises";
import { api, type Deployment, type Rollout, type RolloutDecision } from "@tenfold/contracts";
import type { Fault, Stage } from "./fault.ts";
import type { Platform } from "./platform.ts";
import { startUpdateFleet } from "./update-fleet.ts";

const fleet = 24;
const [kills, soakMs] = [4, 2_000];
const ended = new Set<Rollout["phase"]>(["completed", "rolled_back", "halted", "cancelled"]);

export const fault: Fault = {
  id: "R12",
  name: "restart-in-rollout",
  injected:
    "kill -9 of the platform at seeded times of a rollout that is good and of one that is halted and rolled back, four times each",
  holds: [
    "the good one completes: every device has one update, and it succeeded",
    "the soak is neither skipped nor waived",
    "the bad one is rolled back: nothing is offered after the halt, every deployment has an end",
  ],
  needs: [],
  // Every kill costs a start, and devices time to come back: the deadlines leave room for that on a slow machine.
  longestMs: 580_000,
  async run(stage) {
    let platform = await stage.start();
    const updates = await startUpdateFleet(stage, platform, fleet);
    await updates.publish({ version: "2.0.0" });
    await updates.publish({ version: "3.0.0", bricks: 0.5 });
    const load = stage.load({ perSecond: 20 });

    const good = await playThrough(stage, platform, { version: "2.0.0", deadline: "PT3M" });
    platform = good.platform;
    judgeGood(stage, good);
    const bad = await playThrough(stage, platform, { version: "3.0.0", deadline: "PT1M" });
    judgeBad(stage, bad);
    await load.stop();
    await updates.stop();
    return { injected: good.kills + bad.kills };
  },
};

type Played = { platform: Platform; kills: number; rollout: Rollout; deployments: Deployment[]; decisions: RolloutDecision[] };

/** A rollout from start to end, with kills on the way. */
async function playThrough(
  stage: Stage,
  first: Platform,
  { version, deadline }: { version: string; deadline: string },
): Promise<Played> {
  let platform = first;
  const stages = [{ share: 0.5 }, { share: 1 }];
  const body = { release: version, filter: "model:sim-1", stages, deadline, soak: `PT${soakMs / 1_000}S`, haltAbove: 0.2 };
  const { id } = await platform.client.call(api.startRollout, { body });
  let killed = 0;
  for (const giveUpAt = Date.now() + 280_000; ; ) {
    await wait(300 + stage.random() * 2_200);
    const { rollout } = await platform.client.call(api.getRolloutReport, { params: { id } });
    if (ended.has(rollout.phase)) break;
    if (Date.now() > giveUpAt) {
      stage.holds(`the rollout of ${version} ends`, false, `${rollout.phase}: ${rollout.because}`);
      break;
    }
    if (killed === kills) continue;
    await platform.end("SIGKILL");
    killed += 1;
    stage.note(
      `${version}: kill ${killed} in phase ${rollout.phase}, stages ${rollout.stages.map(({ state }) => state).join(", ")}`,
    );
    platform = await stage.start();
  }
  const { rollout, decisions } = await platform.client.call(api.getRolloutReport, { params: { id } });
  const { items } = await platform.client.call(api.listDeployments, { params: { id }, query: { limit: 200 } });
  return { platform, kills: killed, rollout, deployments: items, decisions };
}

function judgeGood(stage: Stage, { rollout, deployments, decisions }: Played): void {
  stage.holds("the good rollout completes", rollout.phase === "completed", `${rollout.phase}: ${rollout.because}`);
  const states = deployments.map(({ state }) => state);
  stage.holds(
    "every device succeeded",
    states.every((state) => state === "succeeded"),
    states.join(", "),
  );
  stage.holds("every device has one update", new Set(deployments.map(({ device }) => device)).size === deployments.length);
  stage.holds("no device is left out", deployments.length === fleet, `${deployments.length} of ${fleet}`);
  for (const { stage: index, at } of decisions.filter(({ decision }) => decision === "stage_passed")) {
    const last = Math.max(...deployments.filter((one) => one.stage === index).map(({ endedAt = "" }) => Date.parse(endedAt)));
    const soaked = Date.parse(at) - last;
    stage.holds(`stage ${index} soaked`, soaked >= soakMs, `${soaked} ms of ${soakMs}`);
  }
  stage.holds("each stage passed once", decisions.filter(({ decision }) => decision === "stage_passed").length === 2);
}

function judgeBad(stage: Stage, { rollout, deployments, decisions }: Played): void {
  stage.holds("the bad rollout is rolled back", rollout.phase === "rolled_back", `${rollout.phase}: ${rollout.because}`);
  const halts = decisions.filter(({ decision }) => decision === "halted");
  stage.holds("it is halted once", halts.length === 1, `${halts.length}`);
  const haltedAt = Date.parse(halts[0]?.at ?? "");
  const late = deployments.filter(
    ({ rollback, offeredAt }) => !rollback && offeredAt !== undefined && Date.parse(offeredAt) > haltedAt,
  );
  stage.holds("nothing is offered after the halt", late.length === 0, late.map(({ device }) => device).join(", "));
  const open = deployments.filter(({ endedAt, state }) => endedAt === undefined && state !== "skipped");
  stage.holds("every deployment has an end", open.length === 0, open.map(({ device, state }) => `${device} ${state}`).join(", "));
  const offered = deployments.filter(({ rollback }) => !rollback).map(({ device }) => device);
  stage.holds("no device has two updates", new Set(offered).size === offered.length);
}
