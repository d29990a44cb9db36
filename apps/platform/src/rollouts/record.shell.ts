import { newId, type Scope } from "@tenfold/base";
import type { Transaction } from "../kernel/index.ts";
import type { Book } from "./book.shell.ts";
import type { StoredDecision } from "./decisions.shell.ts";
import { firmwareOf } from "./deps.ts";
import type { GuardBook } from "./guards/book.shell.ts";
import type { InLine } from "./picture.shell.ts";
import type { Step } from "./plan.ts";
import type { RestoreRecord } from "./restores.shell.ts";
import type { StoredRollout } from "./store.ts";

/** An open transaction of a fleet's book. */
export type Page = { book: Book; tx: Transaction; scope: Scope };
type Evidence = NonNullable<StoredDecision["evidence"]>;

type Recording = { rollout: StoredRollout; line: readonly InLine[]; now: number } & { steps: readonly Step[] };

/** Writes down what was planned, and who decided it and why, in the transaction that the picture was taken in. */
export async function recordSteps(page: Page & { guardBook: GuardBook }, { rollout, steps, line, now }: Recording): Promise<void> {
  const { book, guardBook, tx, scope } = page;
  const inLine = new Map(line.map((one) => [one.deployment, one]));
  await book.recordOffers(tx, scope, {
    at: now,
    offers: steps.flatMap((step) => (step.do === "offer" ? { ...step, ...before(inLine.get(step.deployment)) } : [])),
  });
  await book.recordEnds(tx, scope, {
    at: now,
    ends: steps.flatMap((step) => (step.do === "expire" ? step : step.do === "skip" ? { ...step, to: "skipped" as const } : [])),
  });
  await book.insertRetries(tx, scope, {
    at: now,
    retries: steps.flatMap((step) =>
      step.do === "expire" && step.retry ? { ...step.retry, id: newId("dep", now), of: step.deployment } : [],
    ),
  });
  await book.recordBlocks(
    tx,
    scope,
    steps.flatMap((step) => (step.do === "step_aside" || step.do === "await_window" ? step : [])),
  );
  await book.recordInstalls(tx, scope, {
    at: now,
    installs: steps.filter((step) => step.do === "let_install" || step.do === "recall_install"),
  });
  await guardBook.recordHolds(tx, scope, { at: now, holds: steps.filter((step) => step.do === "hold") });
  await recordRestores(page, { steps, now });
  // In the order of their causes: what was found, what the rollout does about it, and what devices are told then.
  await recordBatches(page, { rollout, steps, now, named: findings });
  for (const step of steps) await recordTurn(page, { rollout, step, now });
  await recordBatches(page, { rollout, steps, now, named: acts });
}

/** What ran before the update: what it must be told apart from afterwards, and where the way back leads. */
function before(one: InLine | undefined) {
  const firmware = one?.picture && firmwareOf(one.picture);
  const { bootId, seq } = one?.picture ?? {};
  return {
    ...(bootId === undefined ? {} : { bootId }),
    ...(bootId === undefined || seq === undefined ? {} : { seq }),
    ...(one?.picture?.pastBoots === undefined ? {} : { pastBoots: one.picture.pastBoots }),
    ...(firmware ? { previous: firmware } : {}),
    ...(one?.previousRelease === undefined ? {} : { previousRelease: one.previousRelease }),
  };
}

async function recordRestores({ book, tx, scope }: Page, { steps, now }: { steps: readonly Step[]; now: number }): Promise<void> {
  const restores = steps.flatMap((step): RestoreRecord[] => {
    if (step.do === "plan_restore")
      return [{ id: newId("dep", now), undoes: step.undoes, attempt: step.attempt, target: step.target }];
    if (step.do === "cannot_restore")
      return [{ id: newId("dep", now), undoes: step.undoes, attempt: step.attempt, reason: step.reason, detail: step.detail }];
    return [];
  });
  await book.insertRestores(tx, scope, { restores, at: now });
}

/** The turns of the rollout itself, each with its decision. */
async function recordTurn(
  page: Page,
  { rollout: { id, stage }, step, now }: { rollout: StoredRollout; step: Step; now: number },
): Promise<void> {
  const { book, tx, scope } = page;
  const decide = (decision: string, because: string, evidence: Evidence = {}) =>
    book.insertDecision(tx, scope, id, { at: now, decision, because, stage, evidence });
  switch (step.do) {
    case "begin_stage":
      await book.changeStage(tx, scope, { rollout: id, index: step.stage, state: "running", at: now });
      return book.insertDecision(tx, scope, id, {
        at: now,
        decision: "stage_begun",
        because: `Stage ${step.stage + 1} begins.`,
        stage: step.stage,
      });
    case "soak":
      await book.changeStage(tx, scope, { rollout: id, index: step.stage, state: "soaking", at: now });
      return decide(
        "soak_begun",
        `Every device has an end; stage ${step.stage + 1} must stay healthy until ${new Date(step.until).toISOString()}.`,
      );
    case "pass_stage":
      await book.changeStage(tx, scope, { rollout: id, index: step.stage, state: "passed", at: now });
      return decide("stage_passed", step.because, step.evidence);
    case "approve":
      await book.changePhase(tx, scope, { id, phase: "running", because: step.because, at: now });
      return decide("approved", step.because);
    case "pause":
      await book.changePhase(tx, scope, { id, phase: "paused", because: step.because, at: now });
      return decide("paused", step.because);
    case "halt":
      await haltRollout(page, {
        id,
        stage,
        phase: step.onHalt === "roll_back" ? "rolling_back" : "halted",
        because: step.because,
        at: now,
      });
      return decide("halted", step.because, step.evidence);
    case "stop_restoring":
      await book.cancelQueued(tx, scope, { rollout: id, at: now, line: "restores" });
      await book.changePhase(tx, scope, { id, phase: "halted", because: step.because, at: now });
      return decide("rollback_stopped", step.because, step.evidence);
    case "finish":
      await book.changePhase(tx, scope, { id, phase: step.as, because: step.because, at: now, ended: "now" });
      if (step.as === "rolled_back") await book.wakeEarlier(tx, scope, { rollout: id, at: now });
      return decide(
        step.as === "halted" || step.as === "cancelled" ? "settled" : step.as,
        step.because || "No device is on its way any more.",
      );
    default:
      return;
  }
}

/** Nothing more is offered; whoever is on the way is told to stop by `next`. */
export async function haltRollout(
  { book, tx, scope }: Page,
  { id, stage, phase, because, at }: { id: string; stage: number; phase: "rolling_back" | "halted"; because: string; at: number },
): Promise<void> {
  await book.cancelQueued(tx, scope, { rollout: id, at, line: "updates" });
  await book.hastenAwaiting(tx, scope, { rollout: id, at });
  await book.changeStage(tx, scope, { rollout: id, index: stage, state: "halted", at });
  await book.changePhase(tx, scope, { id, phase, because, at, halted: "now", ended: "no" });
  if (phase === "rolling_back") await book.wakeEarlier(tx, scope, { rollout: id, at });
}

const findings = {
  expire: "found_silent",
  hold: "deadline_put_off",
  recall_install: "installation_recalled",
  cannot_restore: "rollback_impossible",
} as const;
const acts = { let_install: "installation_allowed", offer: "offered", skip: "skipped", plan_restore: "rollback_planned" } as const;
type Batched = (typeof findings)[keyof typeof findings] | (typeof acts)[keyof typeof acts];
/** What became of so many devices, for people. */
const sentences: Readonly<Record<Batched, (devices: string) => string>> = {
  found_silent: (devices) => `The time of ${devices} was over.`,
  installation_recalled: (devices) => `${devices} had not begun when the window closed, and may not install until it opens again.`,
  installation_allowed: (devices) => `${devices} may install what was downloaded ahead.`,
  deadline_put_off: (devices) => `The deadline of ${devices} is put off.`,
  rollback_impossible: (devices) => `For ${devices} no release to go back to is known.`,
  offered: (devices) => `The offer goes to ${devices}.`,
  skipped: (devices) => `It passes over ${devices}.`,
  rollback_planned: (devices) => `The way back is planned for ${devices}.`,
};
type Batches = { rollout: StoredRollout; steps: readonly Step[]; now: number; named: Readonly<Record<string, Batched>> };

/** Steps on single devices are one decision a pass. */
async function recordBatches({ book, tx, scope }: Page, { rollout: { id, stage }, steps, now, named }: Batches): Promise<void> {
  for (const [kind, decision] of Object.entries(named)) {
    const devices = steps.flatMap((step) => (step.do === kind && "device" in step ? step.device : []));
    if (devices.length === 0) continue;
    const because = sentences[decision](`${devices.length} ${devices.length === 1 ? "device" : "devices"}`);
    await book.insertDecision(tx, scope, id, {
      at: now,
      decision,
      because,
      stage,
      evidence: { devices: devices.slice(0, 100), count: devices.length },
    });
  }
}
