import { minutes } from "@tenfold/base";
import type { Alert, AlertRule } from "@tenfold/contracts";

export type RuleKind = AlertRule["kind"];

/** A rule as the store keeps it; lengths in ms. */
export type Rule = {
  id: string;
  kind: RuleKind;
  name: string;
  enabled: boolean;
  severity: AlertRule["severity"];
  filter?: string;
  share?: number;
  holdMs: number;
};

/** What a fleet begins with. */
export const defaultRules: readonly Rule[] = [
  { id: "device_silent", kind: "device_silent", name: "A device is silent", enabled: true, severity: "ticket", holdMs: 0 },
  {
    id: "group_silent",
    kind: "group_silent",
    name: "Many devices are silent at once",
    enabled: true,
    severity: "page",
    share: 0.1,
    holdMs: minutes(1),
  },
  { id: "rollout_halted", kind: "rollout_halted", name: "A rollout was halted", enabled: true, severity: "page", holdMs: 0 },
  {
    id: "artifact_damaged",
    kind: "artifact_damaged",
    name: "An artifact is damaged on the platform's disk",
    enabled: true,
    severity: "page",
    holdMs: 0,
  },
];

export type Subject = Alert["subject"];

/** Something that a rule found to be wrong now, and everything a person asks about it. Times in ms. */
export type Condition = {
  rule: Rule;
  subject: Subject;
  /** Since when it has been so, as the facts tell it: a restart of the platform does not begin it anew. */
  since: number;
  title: string;
  why: string;
  comparedWith: string;
  next: string;
  devices: string[];
};

/** An alert that is firing, as far as the judge must know it. */
export type OpenAlert = {
  id: string;
  rule: string;
  subject: Subject;
  title: string;
  why: string;
  devices: string[];
  clearSince?: number;
};

export const keyOf = ({ rule, subject }: { rule: string; subject: Subject }): string => `${rule} ${subject.kind} ${subject.id}`;
