import type { Scope } from "@tenfold/base";
import { api, type Rollout } from "@tenfold/contracts";
import { type Http, serve } from "../kernel/index.ts";
import { countAwaiting } from "./ahead.shell.ts";
import type { Block } from "./conditions.ts";
import { decisionsOf } from "./decisions.shell.ts";
import type { RolloutsDeps } from "./deps.ts";
import { rolloutProblems } from "./errors.ts";
import { explainDevice } from "./explain.shell.ts";
import { countRestored, deploymentsOfDevice, harmedDevices, listDeployments, notRestored, reasonsOf } from "./facts.shell.ts";
import { governanceRoutes } from "./governance.shell.ts";
import { haltReportOf } from "./halt-report.shell.ts";
import { markdownOf } from "./halt-report.ts";
import { pictureRollout } from "./picture.shell.ts";
import { approvalsOf } from "./policy.shell.ts";
import { planOf, previewRollout } from "./preview.shell.ts";
import { replayRollout } from "./replay.shell.ts";
import { engineOf, isHalted } from "./rollout.ts";
import { standsStill } from "./standstill.ts";
import { pageOfRollouts, type StoredRollout } from "./store.ts";
import { countDeployments, stagesOf } from "./tallies.shell.ts";
import { decisionView, rolloutView } from "./view.ts";
import {
  approveRollout,
  cancelRollout,
  needRollout,
  overrideFreeze,
  pauseRollout,
  resumeRollout,
  rollBackRollout,
  startRollout,
} from "./writes.shell.ts";

export function routes(app: Http, deps: RolloutsDeps & { wake: () => void }): void {
  readingRoutes(app, deps);
  changingRoutes(app, deps);
  deploymentRoutes(app, deps);
  governanceRoutes(app, deps);
}

async function show(deps: RolloutsDeps, scope: Scope, rollouts: readonly StoredRollout[]): Promise<Rollout[]> {
  const { db } = deps;
  const ids = rollouts.map(({ id }) => id);
  const [stages, counts, restored] = await Promise.all([
    stagesOf(db, scope, ids),
    countDeployments(db, scope, ids),
    countRestored(db, scope, ids),
  ]);
  return Promise.all(
    rollouts.map(async (rollout) =>
      rolloutView(rollout, {
        stages: stages.get(rollout.id) ?? [],
        counts: counts.filter((count) => count.rollout === rollout.id),
        restored: restored.get(rollout.id) ?? 0,
        approvals: rollout.approvalsNeeded > 0 ? await approvalsOf(db, scope, rollout.id) : [],
        awaitingWindow: rollout.plan.download === "ahead" ? await countAwaiting(db, scope, rollout.id) : 0,
        blocked: await standstillOf(deps, scope, rollout),
      }),
    ),
  );
}

/** Why an open rollout makes no offers now, apart from there being nobody left to offer to. */
async function standstillOf(deps: RolloutsDeps, scope: Scope, rollout: StoredRollout): Promise<Block | undefined> {
  if (rollout.endedAt !== undefined || isHalted(rollout.phase)) return undefined;
  const now = deps.clock.now();
  const picture = await pictureRollout(deps, scope, { is: "glance", db: deps.db }, { rollout, line: [], now });
  return picture.stages.some(({ queued }) => queued > 0) ? standsStill(engineOf(rollout), picture, now) : undefined;
}

async function showOne(deps: RolloutsDeps, scope: Scope, rollout: StoredRollout): Promise<Rollout> {
  const [shown] = await show(deps, scope, [rollout]);
  if (shown === undefined) throw new Error("show() answers for every rollout that it is given");
  return shown;
}

function readingRoutes(app: Http, deps: RolloutsDeps): void {
  const { db } = deps;
  serve(app, api.listRollouts, async ({ query, scope }) => {
    const found = await pageOfRollouts(db, scope, { limit: query.limit + 1, before: query.cursor });
    const page = found.slice(0, query.limit);
    const last = page.at(-1);
    return { items: await show(deps, scope, page), ...(found.length > page.length && last ? { nextCursor: last.id } : {}) };
  });
  serve(app, api.getRollout, async ({ params, scope }) => showOne(deps, scope, await needRollout(deps, scope, params.id)));
  serve(app, api.getRolloutReport, async ({ params, scope }) => {
    const rollout = await needRollout(deps, scope, params.id);
    const [shown, decisions, reasons, harmed, left] = await Promise.all([
      showOne(deps, scope, rollout),
      decisionsOf(db, scope, rollout.id),
      reasonsOf(db, scope, rollout.id),
      harmedDevices(db, scope, rollout.id),
      notRestored(db, scope, rollout.id),
    ]);
    return { rollout: shown, decisions: decisions.map(decisionView), reasons, harmed, notRestored: left };
  });
  serve(app, api.getHaltReport, async ({ params, scope }) => {
    const { id, phase } = await needRollout(deps, scope, params.id);
    const report = await haltReportOf(deps, scope, id);
    if (report) return { ...report, markdown: markdownOf(report) };
    throw rolloutProblems.rollout_not_halted(`Rollout ${id} is ${phase} and was never halted.`, {
      fix: `\`tenfold rollout report ${id}\` says what happened.`,
    });
  });
  serve(app, api.replayRollout, async ({ params, scope }) =>
    replayRollout(deps, scope, (await needRollout(deps, scope, params.id)).id),
  );
  serve(app, api.previewRollout, async ({ body, scope }) => previewRollout(deps, scope, body));
}

function changingRoutes(app: Http, deps: RolloutsDeps & { wake: () => void }): void {
  const shown = async (scope: Scope, rollout: StoredRollout) => {
    deps.wake();
    return showOne(deps, scope, rollout);
  };
  serve(app, api.startRollout, async ({ body, scope, actor, request }) => {
    const key = request.headers["idempotency-key"];
    return shown(
      scope,
      await startRollout(
        deps,
        { scope, actor },
        { plan: await planOf(deps, scope, body), ...(typeof key === "string" ? { idempotencyKey: key.slice(0, 200) } : {}) },
      ),
    );
  });
  serve(app, api.pauseRollout, async ({ params, body, scope, actor }) =>
    shown(scope, await pauseRollout(deps, { scope, actor }, { id: params.id, reason: body.reason })),
  );
  serve(app, api.resumeRollout, async ({ params, body, scope, actor }) =>
    shown(scope, await resumeRollout(deps, { scope, actor }, { id: params.id, reason: body.reason })),
  );
  serve(app, api.cancelRollout, async ({ params, body, scope, actor }) =>
    shown(scope, await cancelRollout(deps, { scope, actor }, { id: params.id, reason: body.reason })),
  );
  serve(app, api.overrideFreeze, async ({ params, body, scope, actor }) =>
    shown(scope, await overrideFreeze(deps, { scope, actor }, { id: params.id, reason: body.reason })),
  );
  serve(app, api.approveRollout, async ({ params, body, scope, actor }) =>
    shown(scope, await approveRollout(deps, { scope, actor }, { id: params.id, ...body })),
  );
  serve(app, api.rollBackRollout, async ({ params, body, scope, actor }) =>
    shown(scope, await rollBackRollout(deps, { scope, actor }, { id: params.id, reason: body.reason })),
  );
}

function deploymentRoutes(app: Http, deps: RolloutsDeps): void {
  const { db } = deps;
  serve(app, api.listDeployments, async ({ params, query, scope }) => {
    await needRollout(deps, scope, params.id);
    const { limit, cursor, state, harmed } = query;
    const found = await listDeployments(db, scope, {
      rollout: params.id,
      limit: limit + 1,
      after: cursor,
      state,
      harmed: harmed === undefined ? undefined : harmed === "true",
    });
    const items = found.slice(0, limit);
    const last = items.at(-1);
    return { items, ...(found.length > items.length && last ? { nextCursor: last.id } : {}) };
  });
  serve(app, api.getUpdateStatus, async ({ params, query, scope }) =>
    explainDevice(deps, scope, { device: params.id, rollout: query.rollout }),
  );
  serve(app, api.listDeviceDeployments, async ({ params, scope }) => ({
    items: await deploymentsOfDevice(db, scope, { device: params.id, limit: 200 }),
  }));
}
