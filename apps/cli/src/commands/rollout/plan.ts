import { existsSync, readFileSync } from "node:fs";
import { formatDuration, parseDuration } from "@tenfold/base";
import {
  downloadTimes,
  type GuardName,
  guardName,
  guardPlan,
  type PlanTemplate,
  planName,
  planTemplate,
  type RolloutRequest,
  updateSteps,
} from "@tenfold/contracts";
import { cliProblems } from "../../exit.ts";
import { type Flags, text } from "../../verb.ts";

export const planFlags: [string, string, string?][] = [
  ["--plan <file|name>", "a stored plan by its name (`tenfold rollout plans`), or a JSON file; the flags below win over it"],
  ["--filter <filter>", "which devices; every one that the release fits where left out"],
  ["--stages <shares>", "cumulative shares, the first is the canary (5%,25%,100%)"],
  ["--strata <keys>", "kinds that the canary must have of: model, tag:region"],
  ["--per-stratum <n>", "devices of each kind in the canary, at least (3)"],
  ["--halt-above <share>", "halt when more than this share of a stage fails or falls silent (5%)"],
  ["--deadline <duration>", "from the offer to the verified boot (1h)"],
  ["--step-timeouts <list>", "what each step of it may take: download=30m,install=10m,boot=10m (as long as the deadline lets)"],
  ["--soak <duration>", "how long a stage must stay healthy (5m)"],
  ["--at-once <n>", "devices that update at the same time (500)"],
  ["--per-minute <n>", "never more offers than this in any 60 seconds"],
  ["--jitter <duration>", "spreads the offers of a stage over this long"],
  ["--download <when>", "ahead: download before the window, install inside it; or with_install (with_install)"],
  ["--approvals <n>", "how many others must approve it first"],
  ["--weight <n>", "more goes first where two rollouts want the same device (100)"],
  ["--late-joiners <what>", "leave or join"],
  ["--on-halt <what>", "roll_back or stop (roll_back)"],
  ["--guards <names>", `what must not get worse beside devices not yet updated: ${guardName.options.join(",")}; or none (all)`],
  ["--guard-window <duration>", "how long each device is compared; the soak where left out"],
];

/** What the flags ask for; refuses what cannot be read and names it. What is left out is the plan's, or has the default. */
export function readPlan(release: string, flags: Flags): RolloutRequest {
  return { release, ...planGiven(text(flags, "plan")), ...termsGiven(flags) };
}

function planGiven(given: string | undefined): PlanTemplate | { plan: string } {
  if (given === undefined) return {};
  if (planName.safeParse(given).success && !existsSync(given)) return { plan: given };
  return readPlanFile(given);
}

/** Reads a plan from a JSON file, and names the field that is wrong. */
export function readPlanFile(path: string): PlanTemplate {
  if (!existsSync(path))
    throw cliProblems.usage(`--plan: there is no file ${path}.`, {
      fix: "Name a stored plan (tenfold rollout plans) or a JSON file.",
    });
  const reading = planTemplate.safeParse(jsonOf(path));
  if (reading.success) return reading.data;
  const [issue] = reading.error.issues;
  throw cliProblems.usage(`${path}: ${issue?.path.join(".") || "the plan"}: ${issue?.message ?? "cannot be read"}`, {
    fix: "See docs/operate/rollouts.md for what a plan may say.",
  });
}

function jsonOf(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw cliProblems.usage(`${path} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function termsGiven(flags: Flags): PlanTemplate {
  const filter = text(flags, "filter");
  const stages = text(flags, "stages");
  const strata = text(flags, "strata");
  const haltAbove = text(flags, "haltAbove");
  return {
    ...(filter === undefined ? {} : { filter }),
    ...(stages === undefined ? {} : { stages: stages.split(",").map((one) => ({ share: share(one, "--stages") })) }),
    ...(strata === undefined ? {} : { strata: strata.split(",").map((key) => key.trim()) }),
    ...(haltAbove === undefined ? {} : { haltAbove: share(haltAbove, "--halt-above") }),
    ...durationsGiven(flags),
    ...stepTimeoutsGiven(flags),
    ...numbersGiven(flags),
    ...wordsGiven(flags),
    ...guardsGiven(flags),
  };
}

function durationsGiven(flags: Flags): PlanTemplate {
  const names = { deadline: "--deadline", soak: "--soak", jitter: "--jitter" } as const;
  return Object.fromEntries(
    Object.entries(names).flatMap(([name, flag]) => {
      const given = text(flags, name);
      return given === undefined ? [] : [[name, duration(given, flag)]];
    }),
  );
}

function stepTimeoutsGiven(flags: Flags): PlanTemplate {
  const given = text(flags, "stepTimeouts");
  if (given === undefined) return {};
  const read = given.split(",").map((one) => {
    const [name = "", length = ""] = one.split("=").map((word) => word.trim());
    const step = updateSteps.find((each) => each === name);
    if (step === undefined)
      throw cliProblems.usage(`--step-timeouts: there is no step "${name}".`, {
        fix: "Write download=30m,install=10m,boot=10m, or some of them.",
      });
    return [step, duration(length, "--step-timeouts")] as const;
  });
  return { stepTimeouts: Object.fromEntries(read) };
}

function numbersGiven(flags: Flags): PlanTemplate {
  const names = {
    atOnce: "--at-once",
    perMinute: "--per-minute",
    perStratum: "--per-stratum",
    approvals: "--approvals",
    weight: "--weight",
  };
  return Object.fromEntries(
    Object.entries(names).flatMap(([name, flag]) => {
      const given = text(flags, name);
      return given === undefined ? [] : [[name, whole(given, flag)]];
    }),
  );
}

function wordsGiven(flags: Flags): PlanTemplate {
  const [onHalt, late, when] = [text(flags, "onHalt"), text(flags, "lateJoiners"), text(flags, "download")];
  const download = downloadTimes.find((one) => one === when);
  if (when !== undefined && download === undefined)
    throw cliProblems.usage(`--download: "${when}" is neither ${downloadTimes.join(" nor ")}.`);
  if (onHalt !== undefined && onHalt !== "roll_back" && onHalt !== "stop")
    throw cliProblems.usage(`--on-halt: "${onHalt}" is neither roll_back nor stop.`);
  if (late !== undefined && late !== "leave" && late !== "join")
    throw cliProblems.usage(`--late-joiners: "${late}" is neither leave nor join.`);
  return {
    ...(onHalt === undefined ? {} : { onHalt }),
    ...(late === undefined ? {} : { lateJoiners: late }),
    ...(download === undefined ? {} : { download }),
  };
}

function guardsGiven(flags: Flags): PlanTemplate {
  const [names, window] = [text(flags, "guards"), text(flags, "guardWindow")];
  if (names === undefined && window === undefined) return {};
  return {
    guards: guardPlan.parse({
      ...guards(names ?? "all"),
      ...(window === undefined ? {} : { window: duration(window, "--guard-window") }),
    }),
  };
}

function guards(given: string): { watch?: GuardName[] } {
  if (given === "all") return {};
  const names = given === "none" ? [] : given.split(",").map((name) => name.trim());
  const watch = names.map((name) => guardName.options.find((one) => one === name));
  const unknown = names.find((_, i) => watch[i] === undefined);
  if (unknown !== undefined)
    throw cliProblems.usage(`--guards: there is no guard "${unknown}".`, {
      fix: `Name some of ${guardName.options.join(", ")}; or none.`,
    });
  return { watch: watch.filter((name) => name !== undefined) };
}

function whole(given: string, flag: string): number {
  const value = Number(given);
  if (!Number.isInteger(value) || value < 0) throw cliProblems.usage(`${flag}: "${given}" is not a whole number.`);
  return value;
}

function share(given: string, flag: string): number {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(given.trim())?.[1];
  const value = percent === undefined ? Number(given) : Number(percent) / 100;
  if (!(value >= 0 && value <= 1)) throw cliProblems.usage(`${flag}: "${given}" is not a share.`, { fix: "Write 5% or 0.05." });
  return value;
}

function duration(given: string, flag: string): string {
  const length = parseDuration(given);
  if (length === undefined)
    throw cliProblems.usage(`${flag}: "${given}" is not a duration.`, { fix: "Write 30s, 5m, 2h or PT5M." });
  return formatDuration(length);
}
