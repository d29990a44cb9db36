import { guardName, retryClasses } from "@tenfold/contracts";
import type { PlanDraft } from "./plan.ts";

type Of<Value> = { [Name in keyof PlanDraft]: PlanDraft[Name] extends Value ? Name : never }[keyof PlanDraft];
type Common = { label: string; description: string; wide?: true };

export type Field = Common &
  (
    | { kind: "text" | "lines"; field: Of<string>; placeholder?: string }
    | { kind: "check"; field: Of<boolean> }
    | { kind: "choice"; field: "onHalt" | "unknown" | "lateJoiners"; options: { value: string; label: string }[] }
  );

export type Group = { title: string; lead: string; fields: readonly Field[] };

/** Every field of a plan, in the order in which a person decides: how carefully, how fast, when, to whom not, and what then. */
export const groups: readonly Group[] = [
  {
    title: "Stages and gates",
    lead: "How far before looking, and what stops it",
    fields: [
      { kind: "text", field: "stages", label: "Stages", description: "Cumulative shares of all targets; the first is the canary." },
      { kind: "text", field: "haltAbove", label: "Halt above", description: "The harmed share of a stage that stops the rollout." },
      { kind: "text", field: "deadline", label: "Deadline", description: "From the offer to the verified boot, such as 1h." },
      {
        ...{ kind: "text", field: "stepTimeouts", label: "Each step", placeholder: "download 30m, install 10m, boot 10m" },
        description: "The longest that a step may take. Empty: as long as the deadline lets.",
      },
      { kind: "text", field: "soak", label: "Soak", description: "How long a stage must stay healthy, such as 1h." },
      {
        ...{ kind: "text", field: "strata", label: "Kinds of device", placeholder: "model, tag:region" },
        description: "The canary has devices of each kind, and each kind has a gate of its own.",
      },
      { kind: "text", field: "perStratum", label: "Of each kind", description: "Devices of each kind in the canary, at least." },
      {
        ...{ kind: "choice", field: "onHalt", label: "When it halts" },
        description: "What becomes of devices that took it.",
        options: [
          { value: "roll_back", label: "Bring them back" },
          { value: "stop", label: "Leave them" },
        ],
      },
      { kind: "text", field: "approvals", label: "Approvals", description: "How many others must approve it before it begins." },
    ],
  },
  {
    title: "Pace",
    lead: "How many at once, and how fast",
    fields: [
      { kind: "text", field: "atOnce", label: "At once", description: "How many devices update at the same time." },
      {
        kind: "text",
        field: "perMinute",
        label: "Per minute",
        description: "Never more offers in any 60 seconds. Empty: no limit.",
      },
      { kind: "text", field: "jitter", label: "Jitter", description: "Spreads the offers of a stage over this long." },
      { kind: "text", field: "weight", label: "Weight", description: "More goes first where rollouts want the same device." },
    ],
  },
  {
    title: "When and whom",
    lead: "Windows, power, network, and what must be true first",
    fields: [
      {
        ...{ kind: "lines", field: "windows", label: "Maintenance windows", wide: true },
        description:
          "One a line: days, from-to, time zone (or tag:KEY of each device), and a tag if it is for some only. Empty: any time.",
        placeholder: "sat,sun 22:00-04:00 Europe/Berlin site=berlin",
      },
      {
        ...{ kind: "check", field: "downloadAhead", label: "Download ahead of the window" },
        description: "Devices download as soon as their turn comes, and install inside their window.",
      },
      {
        kind: "text",
        field: "batteryAtLeast",
        label: "Battery at least",
        description: "Unless on mains. Empty: any.",
        placeholder: "30 %",
      },
      {
        kind: "text",
        field: "bearers",
        label: "Networks",
        description: "Good enough ones. Empty: any.",
        placeholder: "ethernet, wifi",
      },
      { kind: "check", field: "mains", label: "Only on mains", description: "By the last heartbeat." },
      { kind: "check", field: "unmetered", label: "Not over paid volume", description: "Cellular counts as paid." },
      {
        ...{ kind: "choice", field: "unknown", label: "Devices that do not say" },
        description: "Power or network unknown.",
        options: [
          { value: "wait", label: "Wait until they say" },
          { value: "go", label: "Go on" },
        ],
      },
      {
        ...{ kind: "text", field: "requiresDevice", label: "Devices must be", placeholder: "fw:>=1.4.0" },
        description: "A filter that must hold when its turn comes.",
      },
      {
        kind: "text",
        field: "requiresRollouts",
        label: "After rollouts",
        description: "Ids of rollouts that must have completed.",
      },
      {
        ...{ kind: "choice", field: "lateJoiners", label: "Devices that match later" },
        description: "Those that come to match after the start.",
        options: [
          { value: "leave", label: "Are left out" },
          { value: "join", label: "Join it" },
        ],
      },
      {
        kind: "text",
        field: "giveUpAfter",
        label: "Give up after",
        description: "A device that could not be offered for so long is skipped.",
      },
    ],
  },
  {
    title: "After failures",
    lead: "What is tried again",
    fields: [
      { kind: "text", field: "retryOn", label: "Try again on", description: `Of: ${retryClasses.join(", ")}. Empty: never.` },
      { kind: "text", field: "retryMost", label: "Further tries", description: "After the first." },
      { kind: "text", field: "retryBackoff", label: "Wait before", description: "Doubled for each further try; at least 1m." },
    ],
  },
  {
    title: "Guards",
    lead: "What must not get worse beside devices not yet updated",
    fields: [
      {
        kind: "text",
        field: "guards",
        label: "Watch",
        description: `Of: ${guardName.options.join(", ")}. Empty: none.`,
        wide: true,
      },
      { kind: "text", field: "guardWindow", label: "For", description: "From the verified boot on. Empty: the soak." },
      { kind: "text", field: "guardSettle", label: "Settle", description: "Memory, battery and data are not looked at before." },
      {
        kind: "text",
        field: "guardLeast",
        label: "Compared at least",
        description: "Devices that a guard needs before it may halt.",
      },
      { kind: "text", field: "guardFalseHalts", label: "False halts", description: "The chance that they halt a healthy release." },
      {
        kind: "text",
        field: "guardMatchBy",
        label: "Compared within",
        description: "Tags in which a device and those beside it agree.",
      },
    ],
  },
];
