import { newId, type Scope, seconds } from "@tenfold/base";
import type { NextDeployment } from "@tenfold/contracts";
import { artifactPath } from "@tenfold/ota";
import type { Transaction } from "../kernel/index.ts";
import {
  type Current,
  cancelQueued,
  currentDeployments,
  insertRestores,
  markTold,
  nextDeadline,
  overdueDeployments,
  type Queued,
  queuedDeployments,
  type RestoreRecord,
  recordEnds,
  recordOffers,
  unrestoredDeployments,
  untoldDevices,
} from "./deployments.shell.ts";
import { type DevicePicture, firmwareOf, type RolloutsDeps } from "./deps.ts";
import { nextLookAt, type Picture, planRollout, type Step, type Target, type Unrestored, type Waiting } from "./plan.ts";
import { isHalted } from "./rollout.ts";
import {
  changePhase,
  changeStage,
  countDeployments,
  dueRollouts,
  engineOf,
  findRollout,
  insertDecision,
  lockFree,
  lookAt,
  type StoredRollout,
  stagesOf,
  talliesOf,
} from "./store.ts";
import { pointlessOffer } from "./targets.ts";

/** How much one pass takes on: a transaction must stay short. */
const batch = 200;
/** An offer that is not answered is sent again after this long. */
const tellAgainAfter = seconds(30);
/** The loop looks at every open rollout at least this often, because hints get lost. */
const longestRest = seconds(10);
const passes = 5;

/** Brings every rollout that is due one step nearer to its end; again while that leads on at once. */
export async function reconcileDue(deps: RolloutsDeps, signal?: AbortSignal): Promise<void> {
  for (let pass = 0; pass < passes; pass++) {
    const due = await dueRollouts(deps.db, { at: deps.clock.now(), limit: 50 });
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
  const line = await lineUp(deps, scope, id);
  const now = deps.clock.now();
  const steps = await deps.db.transaction().execute(async (tx) => {
    const rollout = await lockFree(tx, scope, id);
    if (rollout === undefined || rollout.endedAt !== undefined) return [];
    const picture = await pictureRollout(deps, tx, scope, { rollout, line, now });
    const planned = planRollout(engineOf(rollout), picture, now);
    await recordSteps(tx, scope, { rollout, steps: planned, line, now });
    const next = nextLookAt(engineOf(rollout), { picture, nextDeadlineAt: await nextDeadline(tx, scope, id) });
    await lookAt(tx, scope, { id, at: planned.length > 0 ? now : Math.min(next ?? Number.POSITIVE_INFINITY, now + longestRest) });
    return planned;
  });
  announce(deps, id, steps);
  // Only now do devices hear of it. What is lost here stays untold, and the untold are told again.
  const told = await tellDevices(deps, scope, id);
  return steps.length > 0 || told === batch ? "moved" : "rests";
}

type InLine = Queued & { picture: DevicePicture | undefined; previousRelease?: string };

/** The next devices in line with what they do now. Read before the lock is taken: it asks others, and that must not hold a rollout up. */
async function lineUp({ db, registry, releases }: RolloutsDeps, scope: Scope, id: string): Promise<InLine[]> {
  const rollout = await findRollout(db, scope, id);
  if (rollout === undefined || (rollout.phase !== "running" && rollout.phase !== "rolling_back")) return [];
  const which = rollout.phase === "running" ? { is: "stage" as const, stage: rollout.stage } : { is: "restores" as const };
  const queued = await queuedDeployments(db, scope, { rollout: id, limit: Math.min(batch, rollout.plan.atOnce), line: which });
  if (queued.length === 0) return [];
  const found = new Map(
    (
      await registry.pictures(
        scope,
        queued.map(({ device }) => device),
      )
    ).map((picture) => [picture.id, picture]),
  );
  const pictures: InLine[] = queued.map((one) => ({ ...one, picture: found.get(one.device) }));
  const firmware = pictures.map(({ picture }) => (picture && firmwareOf(picture)) ?? { version: "" });
  const previous = await releases.running(db, scope, firmware);
  return pictures.map((one, i) => ({ ...one, ...(previous[i] ? { previousRelease: previous[i].id } : {}) }));
}

type Looking = { rollout: StoredRollout; line: readonly InLine[]; now: number };

async function pictureRollout(
  { releases }: RolloutsDeps,
  tx: Transaction,
  scope: Scope,
  { rollout, line, now }: Looking,
): Promise<Picture> {
  const { id, phase } = rollout;
  const tallies = talliesOf((await stagesOf(tx, scope, [id])).get(id) ?? [], await countDeployments(tx, scope, [id]));
  const release = phase === "running" ? await releases.get(tx, scope, rollout.release.id) : undefined;
  const usability = release && (await releases.usability(tx, scope, release));
  return {
    ...tallies,
    overdue: await overdueDeployments(tx, scope, { rollout: id, at: now, limit: batch }),
    waiting: line.map((one) => waitingOf(one, rollout)),
    unrestored: phase === "rolling_back" ? await unrestoredWithWays(releases, tx, scope, id) : [],
    ...(usability?.is === "unusable" ? { releaseUnusable: usability.detail } : {}),
  };
}

/** Who must be brought back, each with the release that it ran before. */
async function unrestoredWithWays(
  releases: RolloutsDeps["releases"],
  tx: Transaction,
  scope: Scope,
  rollout: string,
): Promise<Unrestored[]> {
  const found = await unrestoredDeployments(tx, scope, { rollout, limit: batch });
  const ways = new Map<string, Target>();
  for (const id of new Set(found.flatMap(({ previousRelease }) => previousRelease ?? []))) {
    const release = await releases.get(tx, scope, id);
    if (release) ways.set(id, { release: id, version: release.version, sha256: release.artifact.sha256 });
  }
  return found.map(({ previousRelease, ...one }) => {
    const previous = ways.get(previousRelease ?? "");
    return previous === undefined ? one : { ...one, previous };
  });
}

function waitingOf({ deployment, device, version, sha256, picture }: InLine, { phase, release }: StoredRollout): Waiting {
  const pointless = pointlessOffer(picture, {
    target: { version, sha256 },
    ...(phase === "rolling_back" ? { undoes: release } : {}),
  });
  return { deployment, device, online: picture?.connectivity.is === "online", ...(pointless ? { pointless } : {}) };
}

type Recording = Looking & { steps: readonly Step[] };

async function recordSteps(tx: Transaction, scope: Scope, { rollout, steps, line, now }: Recording): Promise<void> {
  const inLine = new Map(line.map((one) => [one.deployment, one]));
  await recordOffers(tx, scope, {
    at: now,
    offers: steps.flatMap((step) => (step.do === "offer" ? { ...step, ...before(inLine.get(step.deployment)) } : [])),
  });
  await recordEnds(tx, scope, {
    at: now,
    ends: steps.flatMap((step) => (step.do === "expire" ? step : step.do === "skip" ? { ...step, to: "skipped" as const } : [])),
  });
  await recordRestores(tx, scope, { steps, now });
  for (const step of steps) await recordTurn(tx, scope, { rollout, step, now });
  await recordBatch(tx, scope, { rollout, steps, now });
}

/** What ran before the update: what it must be told apart from afterwards, and where the way back leads. */
function before(one: InLine | undefined) {
  const firmware = one?.picture && firmwareOf(one.picture);
  return {
    ...(one?.picture?.bootId === undefined ? {} : { bootId: one.picture.bootId }),
    ...(firmware ? { previous: firmware } : {}),
    ...(one?.previousRelease === undefined ? {} : { previousRelease: one.previousRelease }),
  };
}

async function recordRestores(
  tx: Transaction,
  scope: Scope,
  { steps, now }: { steps: readonly Step[]; now: number },
): Promise<void> {
  const restores = steps.flatMap((step): RestoreRecord[] => {
    if (step.do === "plan_restore")
      return [{ id: newId("dep", now), undoes: step.undoes, attempt: step.attempt, target: step.target }];
    if (step.do === "cannot_restore")
      return [{ id: newId("dep", now), undoes: step.undoes, attempt: step.attempt, reason: step.reason, detail: step.detail }];
    return [];
  });
  await insertRestores(tx, scope, { restores, at: now });
}

/** The turns of the rollout itself, each with its decision. */
async function recordTurn(
  tx: Transaction,
  scope: Scope,
  { rollout: { id, stage }, step, now }: { rollout: StoredRollout; step: Step; now: number },
): Promise<void> {
  const decide = (decision: string, because: string, evidence: Record<string, number> = {}) =>
    insertDecision(tx, scope, id, { at: now, decision, because, stage, evidence });
  switch (step.do) {
    case "begin_stage":
      await changeStage(tx, scope, { rollout: id, index: step.stage, state: "running", at: now });
      return insertDecision(tx, scope, id, {
        at: now,
        decision: "stage_begun",
        because: `Stage ${step.stage + 1} begins.`,
        stage: step.stage,
      });
    case "soak":
      await changeStage(tx, scope, { rollout: id, index: step.stage, state: "soaking", at: now });
      return decide(
        "soak_begun",
        `Every device has an end; stage ${step.stage + 1} must stay healthy until ${new Date(step.until).toISOString()}.`,
      );
    case "pass_stage":
      await changeStage(tx, scope, { rollout: id, index: step.stage, state: "passed", at: now });
      return decide("stage_passed", step.because, step.evidence);
    case "pause":
      await changePhase(tx, scope, { id, phase: "paused", because: step.because, at: now });
      return decide("paused", step.because);
    case "halt":
      await haltRollout(tx, scope, {
        id,
        stage,
        phase: step.onHalt === "roll_back" ? "rolling_back" : "halted",
        because: step.because,
        at: now,
      });
      return decide("halted", step.because, step.evidence);
    case "stop_restoring":
      await cancelQueued(tx, scope, { rollout: id, at: now, line: "restores" });
      await changePhase(tx, scope, { id, phase: "halted", because: step.because, at: now });
      return decide("rollback_stopped", step.because, step.evidence);
    case "finish":
      await changePhase(tx, scope, { id, phase: step.as, because: step.because, at: now, ended: "now" });
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
  tx: Transaction,
  scope: Scope,
  { id, stage, phase, because, at }: { id: string; stage: number; phase: "rolling_back" | "halted"; because: string; at: number },
): Promise<void> {
  await cancelQueued(tx, scope, { rollout: id, at, line: "updates" });
  await changeStage(tx, scope, { rollout: id, index: stage, state: "halted", at });
  await changePhase(tx, scope, { id, phase, because, at, halted: "now", ended: "no" });
}

/** Steps on single devices are one decision a pass. */
async function recordBatch(
  tx: Transaction,
  scope: Scope,
  { rollout: { id, stage }, steps, now }: { rollout: StoredRollout; steps: readonly Step[]; now: number },
): Promise<void> {
  const named = {
    offer: "offered",
    skip: "skipped",
    expire: "found_silent",
    plan_restore: "rollback_planned",
    cannot_restore: "rollback_impossible",
  } as const;
  for (const [kind, decision] of Object.entries(named)) {
    const devices = steps.flatMap((step) => (step.do === kind && "device" in step ? step.device : []));
    if (devices.length === 0) continue;
    const because = `${decision.replaceAll("_", " ")}: ${devices.length} ${devices.length === 1 ? "device" : "devices"}.`;
    await insertDecision(tx, scope, id, {
      at: now,
      decision,
      because,
      stage,
      evidence: { devices: devices.slice(0, 100), count: devices.length },
    });
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
  if (steps.length > 0)
    bus.publish({ type: "rollout.changed", subject: id, data: { steps: [...new Set(steps.map((step) => step.do))] } });
}

/** Sends what stands in the tables to devices that have not been told. Resolves to how many there were, a batch at most. */
async function tellDevices(deps: RolloutsDeps, scope: Scope, id: string): Promise<number> {
  const { db, send, clock } = deps;
  const untold = await untoldDevices(db, scope, { rollout: id, limit: batch, againBefore: clock.now() - tellAgainAfter });
  if (untold.length === 0) return 0;
  const documents = await documentsFor(
    deps,
    scope,
    untold.map(({ device }) => device),
  );
  const told: string[] = [];
  try {
    for (const { deployment, device } of untold) {
      await send(device, { topic: "deployments/next", payload: JSON.stringify(documents.get(device) ?? { is: "none" }) });
      told.push(deployment);
    }
  } finally {
    await markTold(db, scope, { deployments: told, at: clock.now() });
  }
  return untold.length;
}

/** What each device finds at `deployments/next` now. The tables are the only truth, so that asking and being told are the same. */
export async function documentsFor(
  { db, releases, clock }: Pick<RolloutsDeps, "db" | "releases" | "clock">,
  scope: Scope,
  devices: readonly string[],
): Promise<Map<string, NextDeployment>> {
  const current = await currentDeployments(db, scope, devices);
  const wanted = [...new Set([...current.values()].filter((one) => !isCancelled(one)).map(({ release }) => release))];
  const envelopes = new Map(
    await Promise.all(wanted.map(async (id) => [id, (await releases.get(db, scope, id))?.envelope] as const)),
  );
  return new Map(devices.map((device) => [device, documentOf(current.get(device), envelopes, clock.now())]));
}

type Envelope = Extract<NextDeployment, { is: "offer" }>["release"];

function documentOf(
  current: Current | undefined,
  envelopes: ReadonlyMap<string, Envelope | undefined>,
  now: number,
): NextDeployment {
  if (current === undefined) return { is: "none" };
  const { deployment, rollback, deadlineAt } = current;
  if (isCancelled(current)) return { is: "cancel", deployment };
  const release = envelopes.get(current.release);
  if (release === undefined) return { is: "none" };
  const deadlineS = Math.max(1, Math.ceil((deadlineAt - now) / 1_000));
  return { is: "offer", deployment, release, artifactPath: artifactPath(release.signed.artifact.sha256), deadlineS, rollback };
}

const isCancelled = ({ rollback, phase }: Current): boolean => !rollback && isHalted(phase);
