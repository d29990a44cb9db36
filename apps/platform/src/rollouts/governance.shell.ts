import { newId, type Scope } from "@tenfold/base";
import {
  type Actor,
  api,
  builtInPlans,
  completePlan,
  type Freeze,
  type RolloutPolicy,
  type StoredPlan,
  type UpdatePin,
} from "@tenfold/contracts";
import { type Http, serve, type Transaction } from "../kernel/index.ts";
import type { RolloutsDeps } from "./deps.ts";
import { rolloutProblems } from "./errors.ts";
import { refuseUnclear, refuseWindows } from "./plan-check.ts";
import {
  deleteNamedPlan,
  insertFreeze,
  insertPin,
  liftPin,
  listFreezes,
  listNamedPlans,
  listPins,
  policyOf,
  removeFreeze,
  writeNamedPlan,
  writePolicy,
} from "./policy.shell.ts";
import { recheckBlocked } from "./queue.shell.ts";

type Deps = RolloutsDeps & { wake: () => void };
type Who = { scope: Scope; actor: Actor };

/** What binds rollouts from outside: stored plans, the policy, the freeze calendar, pins and exclusions. */
export function governanceRoutes(app: Http, deps: Deps): void {
  planRoutes(app, deps);
  freezeRoutes(app, deps);
  pinRoutes(app, deps);
  serve(app, api.getRolloutPolicy, async ({ scope }) => policyOf(deps.db, scope));
  serve(app, api.setRolloutPolicy, async ({ body, scope, actor }) => setPolicy(deps, { scope, actor }, body));
}

type Change = { action: string; subject: { kind: string; id: string }; detail: Record<string, string | number> };

/** Changes something with its audit entry, has whoever was blocked by it looked at again, and wakes the loop. */
async function change<T>(deps: Deps, { scope, actor }: Who, what: Change, apply: (tx: Transaction) => Promise<T>): Promise<T> {
  const changed = await deps.db.transaction().execute(async (tx) => {
    const result = await apply(tx);
    await recheckBlocked(tx, scope, deps.clock.now());
    await deps.audit(tx, scope, { actor, ...what });
    return result;
  });
  deps.bus.publish({ type: "rollout.changed", subject: what.subject.id, data: { action: what.action } });
  deps.wake();
  return changed;
}

async function setPolicy(deps: Deps, who: Who, policy: RolloutPolicy): Promise<RolloutPolicy> {
  refuseWindows(policy.windows);
  const at = deps.clock.now();
  const what = {
    action: "rollout_policy.set",
    subject: { kind: "rollout_policy", id: who.scope.fleet },
    detail: { atOnce: policy.atOnce ?? "no bound", approvals: policy.approvals, windows: policy.windows.length },
  };
  await change(deps, who, what, (tx) => writePolicy(tx, who.scope, { policy, by: who.actor.name, at }));
  return policyOf(deps.db, who.scope);
}

function planRoutes(app: Http, deps: Deps): void {
  const { db, clock } = deps;
  serve(app, api.listRolloutPlans, async ({ scope }) => {
    const own = await listNamedPlans(db, scope);
    const rest = builtIn().filter(({ name }) => !own.some((one) => one.name === name));
    return { items: [...own, ...rest].toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
  });
  serve(app, api.saveRolloutPlan, async ({ params: { name }, body, scope, actor }) => {
    refuseUnclear(completePlan({ release: "any", ...body.plan }));
    const at = clock.now();
    const what = { action: "rollout_plan.saved", subject: { kind: "rollout_plan", id: name }, detail: { note: body.note } };
    await change(deps, { scope, actor }, what, (tx) => writeNamedPlan(tx, scope, { name, ...body, by: actor.name, at }));
    return needPlan(await listNamedPlans(db, scope), name);
  });
  serve(app, api.deleteRolloutPlan, async ({ params: { name }, scope, actor }) => {
    needPlan(await listNamedPlans(db, scope), name);
    const what = { action: "rollout_plan.deleted", subject: { kind: "rollout_plan", id: name }, detail: {} };
    await change(deps, { scope, actor }, what, (tx) => deleteNamedPlan(tx, scope, name));
    return { deleted: true as const };
  });
}

const builtIn = (): StoredPlan[] =>
  Object.entries(builtInPlans).map(([name, { note, plan }]) => ({ name, note, plan, builtIn: true }));

function needPlan(plans: readonly StoredPlan[], name: string): StoredPlan {
  const found = plans.find((one) => one.name === name);
  if (found) return found;
  throw rolloutProblems.rollout_plan_unknown(`There is no stored plan "${name}" of your own.`, {
    fix: "See `tenfold rollout plans`.",
  });
}

function freezeRoutes(app: Http, deps: Deps): void {
  const { db, clock } = deps;
  serve(app, api.listFreezes, async ({ scope }) => ({ items: await listFreezes(db, scope) }));
  serve(app, api.addFreeze, async ({ body, scope, actor }) => {
    if (Date.parse(body.to) <= Date.parse(body.from))
      throw rolloutProblems.freeze_invalid("A freeze must end after it begins.", { field: "to" });
    const at = clock.now();
    const freeze: Freeze = { id: newId("frz", at), ...body, createdBy: actor.name, createdAt: new Date(at).toISOString() };
    const what = {
      action: "freeze.added",
      subject: { kind: "freeze", id: freeze.id },
      detail: { from: freeze.from, to: freeze.to, reason: freeze.reason },
    };
    await change(deps, { scope, actor }, what, (tx) => insertFreeze(tx, scope, freeze));
    return freeze;
  });
  serve(app, api.removeFreeze, async ({ params: { id }, scope, actor }) => {
    const what = { action: "freeze.removed", subject: { kind: "freeze", id }, detail: {} };
    return change(deps, { scope, actor }, what, async (tx) => {
      const removed = await removeFreeze(tx, scope, { id, at: clock.now() });
      if (removed) return removed;
      throw rolloutProblems.freeze_unknown(`There is no freeze "${id}".`, { fix: "See `tenfold rollout freezes`." });
    });
  });
}

function pinRoutes(app: Http, deps: Deps): void {
  const { db, clock, registry } = deps;
  serve(app, api.listUpdatePins, async ({ scope }) => ({ items: await listPins(db, scope) }));
  serve(app, api.addUpdatePin, async ({ body, scope, actor }) => {
    const at = clock.now();
    if (body.expiresAt !== undefined && Date.parse(body.expiresAt) <= at)
      throw rolloutProblems.update_pin_invalid("It would have expired already.", { field: "expiresAt" });
    // Refuses a filter that cannot be read, before the loop meets it.
    await registry.select(scope, body.filter, { among: [] });
    const pin: UpdatePin = { id: newId("pin", at), ...body, createdBy: actor.name, createdAt: new Date(at).toISOString() };
    const what = {
      action: "update_pin.added",
      subject: { kind: "update_pin", id: pin.id },
      detail: { filter: pin.filter, version: pin.version ?? "none", reason: pin.reason },
    };
    await change(deps, { scope, actor }, what, (tx) => insertPin(tx, scope, pin));
    return pin;
  });
  serve(app, api.liftUpdatePin, async ({ params: { id }, scope, actor }) => {
    const what = { action: "update_pin.lifted", subject: { kind: "update_pin", id }, detail: {} };
    return change(deps, { scope, actor }, what, async (tx) => {
      const lifted = await liftPin(tx, scope, { id, at: clock.now(), by: actor.name });
      if (lifted) return lifted;
      throw rolloutProblems.update_pin_unknown(`There is no pin "${id}".`, { fix: "See `tenfold rollout pins`." });
    });
  });
}
