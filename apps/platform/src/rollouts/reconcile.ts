import { type Scope, seconds } from "@tenfold/base";
import type { Transaction } from "../kernel/index.ts";
import type { StoredRelease } from "../releases/index.ts";
import { firmwareOf, type RolloutsDeps } from "./deps.ts";
import { nextLookAt, type Picture, planRollout, type Step, type Target, type Unrestored, type Waiting } from "./plan.ts";
import { type InLine, recordSteps } from "./record.shell.ts";
import { engineOf, type StoredRollout, talliesOf } from "./store.ts";
import { pointlessOffer } from "./targets.ts";
import { tellDevices } from "./tell.shell.ts";

/** How much one pass takes on: a transaction must stay short. */
const batch = 200;
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
  const { db, book, clock } = deps;
  const line = await lineUp(deps, scope, id);
  const now = clock.now();
  const steps = await db.transaction().execute(async (tx) => {
    const rollout = await book.lockFree(tx, scope, id);
    if (rollout === undefined || rollout.endedAt !== undefined) return [];
    const picture = await pictureRollout(deps, tx, scope, { rollout, line, now });
    const planned = planRollout(engineOf(rollout), picture, now);
    await recordSteps({ book, tx, scope }, { rollout, steps: planned, line, now });
    const next = nextLookAt(engineOf(rollout), { picture, nextDeadlineAt: await book.nextDeadline(tx, scope, id) });
    await book.lookAt(tx, scope, {
      id,
      at: planned.length > 0 ? now : Math.min(next ?? Number.POSITIVE_INFINITY, now + longestRest),
    });
    return planned;
  });
  announce(deps, id, steps);
  // Only now do devices hear of it. What is lost here stays untold, and the untold are told again.
  const told = await tellDevices(deps, scope, { id, limit: batch });
  return steps.length > 0 || told === batch ? "moved" : "rests";
}

/** The next devices in line with what they do now. Read before the lock is taken: it asks others, and that must not hold a rollout up. */
async function lineUp({ db, book, registry, releases }: RolloutsDeps, scope: Scope, id: string): Promise<InLine[]> {
  const rollout = await book.findRollout(db, scope, id);
  if (rollout === undefined || (rollout.phase !== "running" && rollout.phase !== "rolling_back")) return [];
  const which = rollout.phase === "running" ? { is: "stage" as const, stage: rollout.stage } : { is: "restores" as const };
  const queued = await book.queuedDeployments(db, scope, { rollout: id, limit: Math.min(batch, rollout.plan.atOnce), line: which });
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
  { book, releases }: RolloutsDeps,
  tx: Transaction,
  scope: Scope,
  { rollout, line, now }: Looking,
): Promise<Picture> {
  const { id, phase } = rollout;
  const tallies = talliesOf((await book.stagesOf(tx, scope, [id])).get(id) ?? [], await book.countDeployments(tx, scope, [id]));
  const release = phase === "running" ? await releases.get(tx, scope, rollout.release.id) : undefined;
  const usability = release && (await releases.usability(tx, scope, release));
  const waiting = await book.stillQueued(
    tx,
    scope,
    line.map(({ deployment }) => deployment),
  );
  return {
    ...tallies,
    overdue: await book.overdueDeployments(tx, scope, { rollout: id, at: now, limit: batch }),
    waiting: line.filter(({ deployment }) => waiting.has(deployment)).map((one) => waitingOf(one, rollout, release)),
    unrestored: phase === "rolling_back" ? await unrestoredWithWays({ book, releases }, tx, scope, id) : [],
    ...(usability?.is === "unusable" ? { releaseUnusable: usability.detail } : {}),
  };
}

/** Who must be brought back, each with the release that it ran before. */
async function unrestoredWithWays(
  { book, releases }: Pick<RolloutsDeps, "book" | "releases">,
  tx: Transaction,
  scope: Scope,
  rollout: string,
): Promise<Unrestored[]> {
  const found = await book.unrestoredDeployments(tx, scope, { rollout, limit: batch });
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

function waitingOf(
  { deployment, device, version, sha256, picture }: InLine,
  { phase, release }: StoredRollout,
  offered: StoredRelease | undefined,
): Waiting {
  const pointless = pointlessOffer(picture, {
    target: { version, sha256 },
    ...(phase === "rolling_back" ? { undoes: release } : {}),
    ...(offered ? { fits: offered.envelope.signed } : {}),
  });
  return { deployment, device, online: picture?.connectivity.is === "online", ...(pointless ? { pointless } : {}) };
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
