import type { Alert, TimelineEntry } from "@tenfold/contracts";

const severityOf = { info: "info", ticket: "warning", page: "critical" } as const;

/** Alerts as entries of a device's timeline: when each began, and when it was over. */
export function timelineOf(alerts: readonly Alert[]): TimelineEntry[] {
  return alerts.flatMap(({ id, title, why, since, severity, resolvedAt }): TimelineEntry[] => [
    { at: since, kind: "alert", severity: severityOf[severity], text: `${title}.`, detail: { alert: id, why } },
    ...(resolvedAt === undefined
      ? []
      : [{ at: resolvedAt, kind: "alert", severity: "info", text: `Over: ${title}.`, detail: { alert: id } } as const]),
  ]);
}
