import { describeError, type Scope, seconds } from "@tenfold/base";
import type { RolloutsDeps } from "./deps.ts";
import { haltReportOf } from "./halt-report.shell.ts";
import { joinLate } from "./join.shell.ts";
import { batch, lastHeardOf, lineUp, lineUpAhead, pictureRollout } from "./picture.shell.ts";
import { nextLookAt, planRollout, type Step } from "./plan.ts";
import { recordSteps } from "./record.shell.ts";
import { engineOf } from "./rollout.ts";
import { tellDevices } from "./tell.shell.ts";

/** The loop looks at every open rollout at least this often, because hints get lost. */
const longestRest = seconds(10);
const passes = 5;

/** Brings every rollout that is due one step nearer to its end; again while that leads on at once. */
export async function reconcileDue(deps: RolloutsDeps, signal?: AbortSignal): Promise<void> {
  for (let pass = 0; pass < passes; pass++) {
    const due = await deps.book.dueRollouts(deps.db, { at: deps.clock.now(), limit: 50 });
    let moved = false;
    for (const { scope, id } of due) {
      if (signal?.aborted) return;
      moved = (await reconcileRollout(deps, scope, id)) === "moved" || moved;
    }
    if (!moved) return;
  }
}

/** Brings one rollout one step nearer to its end. Safe to run twice, late, or on two servers at once, and to die at any line. */
async function reconcileRollout(deps: RolloutsDeps, scope: Scope, id: string): Promise<"moved" | "rests"> {
  const { db, book, guardBook, clock } = deps;
  const now = clock.now();
  const seen = await book.findRollout(db, scope, id);
  if (seen === undefined) return "rests";
  await joinLate(deps, scope, { rollout: seen, now });
  const line = await lineUp(deps, scope, { rollout: seen, now });
  const ahead = await lineUpAhead(deps, scope, { rollout: seen, now });
  const heard = await lastHeardOf(deps, scope, { rollout: seen, now });
  const { sets, dark } = await guardBook.lookAround(deps, scope, seen);
  const steps = await db.transaction().execute(async (tx) => {
    const rollout = await book.lockFree(tx, scope, id);
    if (rollout === undefined || rollout.endedAt !== undefined) return [];
    await guardBook.advanceWatch(tx, scope, { rollout, sets, now });
    const picture = await pictureRollout(deps, scope, { is: "locked", tx }, { rollout, line, ahead, now, dark, heard });
    const engine = engineOf(rollout);
    const planned = planRollout(engine, picture, now);
    await recordSteps({ book, guardBook, tx, scope }, { rollout, steps: planned, line, now });
    if (planned.length > 0)
      await guardBook.insertPass(tx, scope, id, { at: now, saw: { rollout: engine, picture }, steps: planned });
    const next = nextLookAt(engine, { picture, nextDeadlineAt: await book.nextDeadline(tx, scope, id) });
    const window = rollout.plan.download === "ahead" ? await book.nextAheadLook(tx, scope, { rollout: id, after: now }) : undefined;
    const times = [next, window, await guardBook.nextSetDue(tx, scope, id), now + longestRest].filter((time) => time !== undefined);
    await book.lookAt(tx, scope, { id, at: planned.length > 0 ? now : Math.min(...times) });
    return planned;
  });
  announce(deps, id, steps);
  if (steps.some((step) => step.do === "halt")) await announceHalt(deps, scope, id);
  // Whoever is still at work on what has ended hears so; where that is lost, on its next connection.
  for (const step of steps) if (step.do === "expire" && step.to === "failed") await deps.refresh(step.device, "deployments/next");
  // Only now do devices hear of it. What is lost here stays untold, and the untold are told again.
  const told = await tellDevices(deps, scope, { id, limit: batch });
  return steps.length > 0 || told === batch ? "moved" : "rests";
}

/** Whoever listens hears of a halt with its report, not only that there was one. A hint like all on the bus: the report can be asked for. */
async function announceHalt(deps: RolloutsDeps, scope: Scope, id: string): Promise<void> {
  try {
    const report = await haltReportOf(deps, scope, id);
    if (report === undefined) return;
    const { release, because, blast, firstFailure, signatures, haltedAt } = report;
    const top = signatures[0]?.title;
    const data = {
      release: `${release.name} ${release.version}`,
      because,
      haltedAt,
      blast,
      report: `/api/v1/rollouts/${id}/halt-report`,
    };
    deps.bus.publish({
      type: "rollout.halted",
      subject: id,
      data: {
        ...data,
        ...(firstFailure ? { firstFailure: firstFailure.device } : {}),
        ...(top === undefined ? {} : { topSignature: top }),
      },
    });
  } catch (error) {
    deps.log.error("rollout.halt_report_failed", { rollout: id, because: describeError(error) });
  }
}

function announce({ bus, log }: RolloutsDeps, id: string, steps: readonly Step[]): void {
  for (const step of steps) {
    if (step.do === "halt") log.warn("rollout.halted", { rollout: id, because: step.because });
    if (step.do === "finish") log.info("rollout.ended", { rollout: id, as: step.as });
    if (step.do === "offer")
      bus.publish({
        type: "deployment.changed",
        subject: step.device,
        data: { rollout: id, deployment: step.deployment, state: "offered" },
      });
    if (step.do === "expire")
      bus.publish({
        type: "deployment.changed",
        subject: step.device,
        data: { rollout: id, deployment: step.deployment, state: step.to, reason: step.reason },
      });
  }
  // Whoever steps aside is seen on its own page; a thousand of them are no news of the rollout.
  if (steps.some((step) => step.do !== "step_aside" && step.do !== "await_window"))
    bus.publish({ type: "rollout.changed", subject: id, data: { steps: [...new Set(steps.map((step) => step.do))] } });
}
