import type { Connectivity, Lifecycle, RolloutPhase, StageProgress } from "@tenfold/contracts";
import type { IconName } from "./icons.tsx";

/** How a state is said: a word and a shape first, a colour last, so that nothing hangs on colour alone. */
export type Tone = "ok" | "warn" | "bad" | "idle" | "accent";
export type Look = { word: string; icon: IconName; tone: Tone };

export const connectivityLook: Record<Connectivity["is"], Look> = {
  online: { word: "Online", icon: "online", tone: "ok" },
  late: { word: "Late", icon: "late", tone: "warn" },
  offline: { word: "Offline", icon: "offline", tone: "bad" },
  never_seen: { word: "Never seen", icon: "never", tone: "idle" },
};

export const lifecycleLook: Record<Lifecycle, Look> = {
  expected: { word: "Expected", icon: "never", tone: "idle" },
  pending: { word: "Pending approval", icon: "late", tone: "warn" },
  active: { word: "Active", icon: "check", tone: "ok" },
  suspended: { word: "Suspended", icon: "pause", tone: "warn" },
  quarantined: { word: "Quarantined", icon: "halted", tone: "bad" },
  retired: { word: "Retired", icon: "cross", tone: "idle" },
};

export const phaseLook: Record<RolloutPhase, Look> = {
  awaiting_approval: { word: "Awaiting approval", icon: "waiting", tone: "warn" },
  running: { word: "Running", icon: "running", tone: "accent" },
  paused: { word: "Paused", icon: "pause", tone: "warn" },
  halted: { word: "Halted", icon: "halted", tone: "bad" },
  rolling_back: { word: "Rolling back", icon: "undo", tone: "bad" },
  rolled_back: { word: "Rolled back", icon: "undo", tone: "bad" },
  completed: { word: "Completed", icon: "online", tone: "ok" },
  cancelled: { word: "Cancelled", icon: "cross", tone: "idle" },
};

export const stageLook: Record<StageProgress["state"], Look> = {
  waiting: { word: "Waiting", icon: "waiting", tone: "idle" },
  running: { word: "Running", icon: "running", tone: "accent" },
  soaking: { word: "Soaking", icon: "late", tone: "accent" },
  passed: { word: "Passed", icon: "online", tone: "ok" },
  halted: { word: "Halted", icon: "halted", tone: "bad" },
};

export const severityLook: Record<string, Look> = {
  info: { word: "Info", icon: "info", tone: "idle" },
  ticket: { word: "Ticket", icon: "warning", tone: "warn" },
  page: { word: "Page", icon: "halted", tone: "bad" },
  warning: { word: "Warning", icon: "warning", tone: "warn" },
  error: { word: "Error", icon: "offline", tone: "bad" },
  critical: { word: "Critical", icon: "halted", tone: "bad" },
};

export const toneColor: Record<Tone, string> = {
  ok: "var(--tf-ok)",
  warn: "var(--tf-warn)",
  bad: "var(--tf-bad)",
  idle: "var(--tf-idle)",
  accent: "var(--tf-accent)",
};
