/** What people do in a run: start, approve, resume, pause, take back, pin, and meddle. */
import { defaultScope as scope } from "@tenfold/base";
import { planHashOf } from "../approvals.ts";
import type { RolloutsDeps } from "../deps.ts";
import { approveRollout, cancelRollout, pauseRollout, resumeRollout, rollBackRollout, startRollout } from "../writes.shell.ts";
import type { Disk } from "./memory-disk.ts";
import type { Scenario } from "./scenario.ts";

/** Does something on a server that may die of it. */
export type Survive = (work: () => Promise<unknown>) => Promise<"done" | "died">;
export type Operated = {
  deps: RolloutsDeps;
  disk: Disk;
  random: () => number;
  scenario: Scenario;
  tick: number;
  faulty: () => boolean;
  approvedTexts: Map<string, string>;
};

const actor = (id: string) => ({ scope, actor: { kind: "person" as const, id, name: id } });

// biome-ignore lint/complexity/noExcessiveCognitiveComplexity: what operators do stands in one place.
export async function operate(run: Operated, survive: Survive): Promise<void> {
  const { deps, disk, random, scenario, tick } = run;
  // Somebody pins a device that the rollout has already chosen.
  if (tick === 2) disk.pins = scenario.pins;
  for (const [i, { atTick, plan }] of scenario.plans.entries()) {
    if (tick < atTick || disk.rollouts.has(`rol_${i}`)) continue;
    if (i > 0 && !disk.rollouts.has("rol_0")) continue;
    await survive(() => startRollout(deps, actor("ann"), { plan, id: `rol_${i}`, idempotencyKey: `key-${i}` }));
  }
  const [first] = scenario.plans;
  if (
    first &&
    scenario.again === "once_taken_back" &&
    disk.rollouts.get("rol_0")?.phase === "rolled_back" &&
    !disk.rollouts.has("rol_again")
  )
    await survive(() => startRollout(deps, actor("ann"), { plan: first.plan, id: "rol_again", idempotencyKey: "key-again" }));
  for (const { id, phase, plan, release } of [...disk.rollouts.values()]) {
    if (phase === "awaiting_approval" && (random() < 0.2 || !run.faulty()))
      await approve(run, survive, { id, planHash: planHashOf(plan, release.sha256) });
    if (scenario.tampers === "at_tick_20" && tick === 20 && id === "rol_0") tamper(run, id);
    if (phase === "paused" && (random() < 0.15 || !run.faulty())) {
      if (!run.faulty()) await approve(run, survive, { id, planHash: planHashOf(plan, release.sha256) });
      await survive(() => resumeRollout(deps, actor("ben"), { id, reason: "on" }));
    }
    if (!run.faulty() || random() >= 0.01) continue;
    const turn = { id, reason: "because" };
    const moves = [pauseRollout, pauseRollout, rollBackRollout, cancelRollout];
    await survive(() => (moves[Math.floor(random() * moves.length)] ?? pauseRollout)(deps, actor("ben"), turn));
  }
}

/** The author tries too, and with another's name nobody may approve what they did not see. */
async function approve(run: Operated, survive: Survive, { id, planHash }: { id: string; planHash: string }): Promise<void> {
  const { deps, disk, random } = run;
  const who = ["ann", "ben", "cyd"][Math.floor(random() * 3)] ?? "ben";
  const seen = random() < 0.2 ? "f".repeat(64) : planHash;
  const text = JSON.stringify(disk.rollouts.get(id)?.plan);
  const before = disk.approvals.length;
  await survive(() => approveRollout(deps, actor(who), { id, planHash: seen }));
  if (disk.approvals.length > before && who !== "ann" && seen === planHash) run.approvedTexts.set(`${id}/${who}`, text);
}

/** Somebody with the database in hand makes the plan bolder than what was approved. */
function tamper({ disk }: Operated, id: string): void {
  const rollout = disk.rollouts.get(id);
  if (rollout) disk.rollouts.set(id, { ...rollout, plan: { ...rollout.plan, atOnce: rollout.plan.atOnce + 3 } });
}
