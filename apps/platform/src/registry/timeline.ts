import { humanDuration, minutes } from "@tenfold/base";
import type { TimelineEntry } from "@tenfold/contracts";

export type LifecycleRow = { at: Date; was: string | null; lifecycle: string; reason: string | null; actor: string | null };
export type FirmwareRow = { at: Date; was_version: string | null; version: string; hash: string | null };
export type SilenceRow = { from: Date; until: Date };
export type RefusedRow = { refused_count: number; refused_at: Date | null; refused_reason: string | null };

/** What the registry knows of a device's past. */
export function registryEntries(past: {
  lifecycle: LifecycleRow[];
  firmware: FirmwareRow[];
  silences: SilenceRow[];
  refused: RefusedRow;
}): TimelineEntry[] {
  return [
    ...past.lifecycle.map(lifecycleEntry),
    ...past.firmware.map(firmwareEntry),
    ...past.silences.map(silenceEntry),
    ...refusedEntries(past.refused),
  ];
}

function lifecycleEntry({ at, was, lifecycle, reason, actor }: LifecycleRow): TimelineEntry {
  const text =
    was === null
      ? `Registered as ${lifecycle}.`
      : `${was} → ${lifecycle}${actor === null ? "" : ` by ${actor}`}${reason === null ? "" : `: ${reason}`}`;
  const severity = lifecycle === "quarantined" ? "error" : lifecycle === "suspended" ? "warning" : "info";
  return { at: at.toISOString(), kind: "lifecycle", severity, text, detail: { was, lifecycle, reason, actor } };
}

function firmwareEntry({ at, was_version: was, version, hash }: FirmwareRow): TimelineEntry {
  const text =
    was === null
      ? `Runs firmware ${version}.`
      : was === version
        ? `Firmware ${version} is another image now.`
        : `Firmware ${was} → ${version}.`;
  return { at: at.toISOString(), kind: "firmware", severity: "info", text, detail: { was, version, hash } };
}

function silenceEntry({ from, until }: SilenceRow): TimelineEntry {
  const length = until.getTime() - from.getTime();
  const text = `Heard again after ${humanDuration(length)} without a lease.`;
  return {
    at: until.toISOString(),
    kind: "contact",
    severity: length > minutes(10) ? "warning" : "info",
    text,
    detail: { from: from.toISOString() },
  };
}

function refusedEntries({ refused_count: count, refused_at: at, refused_reason: reason }: RefusedRow): TimelineEntry[] {
  if (at === null) return [];
  return [
    {
      at: at.toISOString(),
      kind: "refusal",
      severity: "warning",
      text: `Last of ${count} refused inputs: ${reason}.`,
      detail: { count, reason },
    },
  ];
}

/** One timeline from many sources: newest first, the same order every time. */
export function mergeTimelines(sources: readonly (readonly TimelineEntry[])[], limit: number): TimelineEntry[] {
  return sources
    .flat()
    .toSorted((a, b) => Date.parse(b.at) - Date.parse(a.at) || (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : 0))
    .slice(0, limit);
}
