import { formatDuration, parseDuration } from "@tenfold/base";
import { type Alert, type AlertRule, alertOperations } from "@tenfold/contracts";
import { type Http, serve } from "../kernel/index.ts";
import { monitoringProblems } from "./errors.ts";
import type { MonitoringDeps } from "./index.ts";
import type { Rule } from "./rule.ts";
import { type AlertPlace, lockAlert, lockRule, readAlerts, readRules, writeAcknowledgement, writeRule } from "./store.ts";

/** Alerts and their rules in the operator API. */
export function monitoringRoutes(app: Http, deps: MonitoringDeps): void {
  alertRoutes(app, deps);
  ruleRoutes(app, deps);
}

function alertRoutes(app: Http, { db, clock, audit, bus }: MonitoringDeps): void {
  serve(app, alertOperations.listAlerts, async ({ scope, query: { limit, cursor, state } }) => {
    const after = cursor === undefined ? undefined : readCursor(cursor);
    const alerts = await readAlerts(db, scope, { limit: limit + 1, ...(state && { state }), ...(after && { after }) });
    const items = alerts.slice(0, limit);
    const last = alerts.length > limit ? items.at(-1) : undefined;
    return { items, ...(last && { nextCursor: writeCursor(last) }) };
  });

  serve(app, alertOperations.acknowledgeAlert, async ({ scope, params: { id }, actor }) => {
    const alert = await db.transaction().execute(async (tx): Promise<Alert> => {
      const found = await lockAlert(tx, scope, id);
      if (found === undefined)
        throw monitoringProblems.alert_unknown(`There is no alert "${id}".`, { fix: "See the alerts with: tenfold alert list" });
      if (found.acknowledgedBy !== undefined) return found;
      if (found.state === "resolved")
        throw monitoringProblems.alert_resolved(`Alert "${id}" is over; there is nothing to look after.`);
      const now = clock.now();
      await writeAcknowledgement(tx, { id, by: actor.name, now });
      await audit(tx, scope, {
        actor,
        action: "alert.acknowledged",
        subject: { kind: "alert", id },
        detail: { title: found.title },
      });
      return { ...found, acknowledgedBy: actor.name, acknowledgedAt: new Date(now).toISOString() };
    });
    bus.publish({ type: "alert.changed", subject: id, data: {} });
    return alert;
  });
}

function ruleRoutes(app: Http, { db, registry, audit }: MonitoringDeps): void {
  serve(app, alertOperations.listAlertRules, async ({ scope }) => ({ items: (await readRules(db, scope)).map(shownRule) }));

  serve(app, alertOperations.updateAlertRule, async ({ scope, params: { id }, body, actor }) => {
    if (body.filter !== undefined) await registry.resolveFilter(scope, body.filter);
    const rule = await db.transaction().execute(async (tx) => {
      const found = await lockRule(tx, scope, id);
      if (found === undefined)
        throw monitoringProblems.alert_rule_unknown(`There is no alert rule "${id}".`, {
          fix: "See the rules with: tenfold api GET /api/v1/alert-rules",
        });
      assertUsed(found, body);
      const { hold, ...changes } = body;
      const changed: Rule = {
        ...found,
        ...defined(changes),
        ...(hold !== undefined && { holdMs: parseDuration(hold) ?? found.holdMs }),
      };
      await writeRule(tx, scope, changed);
      await audit(tx, scope, {
        actor,
        action: "alert_rule.changed",
        subject: { kind: "alert_rule", id },
        detail: { was: found, is: changed },
      });
      return changed;
    });
    return shownRule(rule);
  });
}

/** A setting that a rule does not look at would promise something that does not happen. */
function assertUsed({ kind, id }: Rule, { filter, share }: { filter?: string | undefined; share?: number | undefined }): void {
  const unused =
    (kind === "rollout_halted" || kind === "artifact_damaged") && filter !== undefined
      ? "filter"
      : kind !== "group_silent" && share !== undefined
        ? "share"
        : undefined;
  if (unused !== undefined)
    throw monitoringProblems.alert_rule_field_unused(`Rule "${id}" has no ${unused}.`, { field: unused, fix: "Leave it out." });
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

// A key with the value undefined is not there.
const defined = <T extends object>(value: T) =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Defined<T>;

const shownRule = ({ holdMs, ...rule }: Rule): AlertRule => ({ ...rule, hold: formatDuration(holdMs) });

const writeCursor = ({ state, id }: AlertPlace): string => Buffer.from(`${state} ${id}`).toString("base64url");

function readCursor(cursor: string): AlertPlace {
  const [state, id, ...rest] = Buffer.from(cursor, "base64url").toString().split(" ");
  if ((state === "firing" || state === "resolved") && id !== undefined && rest.length === 0 && /^[\w-]+$/.test(id))
    return { state, id };
  throw monitoringProblems.alert_cursor_invalid("This cursor was not made by this list.", {
    field: "cursor",
    fix: "Begin without a cursor.",
  });
}
