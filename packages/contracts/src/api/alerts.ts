import { z } from "zod";
import { isoDuration, pageOf, pageQuery, share, timestamp } from "./common.ts";
import { operation } from "./operation.ts";

export const severity = z.enum(["info", "ticket", "page"]);

export const alertRule = z.object({
  id: z.string(),
  kind: z.enum(["device_silent", "group_silent", "rollout_halted", "artifact_damaged"]),
  name: z.string(),
  enabled: z.boolean(),
  severity,
  /** For `group_silent`: which devices (filter language) and the share of them that must be silent. */
  filter: z.string().optional(),
  share: share.optional(),
  /** How long the condition must hold. */
  hold: isoDuration,
});
export type AlertRule = z.infer<typeof alertRule>;

export const alert = z.object({
  id: z.string(),
  rule: z.string(),
  kind: z.string(),
  severity,
  state: z.enum(["firing", "resolved"]),
  /** One sentence: what is wrong. */
  title: z.string(),
  /** Every red thing answers these. */
  why: z.string(),
  since: timestamp,
  comparedWith: z.string(),
  next: z.string(),
  subject: z.object({ kind: z.enum(["device", "group", "rollout", "artifact"]), id: z.string() }),
  devices: z.array(z.string()),
  acknowledgedBy: z.string().optional(),
  acknowledgedAt: timestamp.optional(),
  resolvedAt: timestamp.optional(),
});
export type Alert = z.infer<typeof alert>;

const byId = z.object({ id: z.string() });

export const alertOperations = {
  listAlerts: operation({
    name: "listAlerts",
    method: "GET",
    path: "/alerts",
    summary: "Alerts, firing ones first.",
    permission: "alerts.read",
    query: pageQuery.extend({ state: z.enum(["firing", "resolved"]).optional() }),
    response: pageOf(alert),
  }),
  acknowledgeAlert: operation({
    name: "acknowledgeAlert",
    method: "POST",
    path: "/alerts/:id/acknowledge",
    summary: "Somebody looks after it.",
    permission: "alerts.write",
    params: byId,
    response: alert,
  }),
  listAlertRules: operation({
    name: "listAlertRules",
    method: "GET",
    path: "/alert-rules",
    summary: "The rules that make alerts.",
    permission: "alerts.read",
    response: z.object({ items: z.array(alertRule) }),
  }),
  updateAlertRule: operation({
    name: "updateAlertRule",
    method: "PATCH",
    path: "/alert-rules/:id",
    summary: "Changes a rule.",
    permission: "alerts.write",
    params: byId,
    body: z.strictObject({
      enabled: z.boolean().optional(),
      severity: severity.optional(),
      filter: z.string().max(1_000).optional(),
      share: share.optional(),
      hold: isoDuration.optional(),
    }),
    response: alertRule,
  }),
};
