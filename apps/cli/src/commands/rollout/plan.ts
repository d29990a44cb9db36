import { formatDuration, parseDuration } from "@tenfold/base";
import { type api, type GuardName, guardName } from "@tenfold/contracts";
import type { z } from "zod";
import { cliProblems } from "../../exit.ts";
import { type Flags, text } from "../../verb.ts";

export const planFlags: [string, string, string?][] = [
  ["--filter <filter>", "which devices; every one that the release fits where left out"],
  ["--stages <shares>", "cumulative shares, the first is the canary", "5%,25%,100%"],
  ["--halt-above <share>", "halt when more than this share of a stage fails or falls silent", "5%"],
  ["--deadline <duration>", "from the offer to the verified boot", "1h"],
  ["--soak <duration>", "how long a stage must stay healthy", "5m"],
  ["--at-once <n>", "devices that update at the same time", "500"],
  ["--on-halt <what>", "roll_back or stop", "roll_back"],
  ["--guards <names>", `what must not get worse beside devices not yet updated: ${guardName.options.join(",")}; or none`, "all"],
  ["--guard-window <duration>", "how long each device is compared; the soak where left out"],
];

type Plan = z.input<(typeof api)["startRollout"]["body"]>;

/** The plan that the flags describe; refuses what cannot be read and names it. */
export function readPlan(release: string, flags: Flags): Plan {
  const filter = text(flags, "filter");
  return {
    release,
    ...(filter === undefined ? {} : { filter }),
    stages: (text(flags, "stages") ?? "").split(",").map((one) => ({ share: share(one, "--stages") })),
    haltAbove: share(text(flags, "haltAbove") ?? "5%", "--halt-above"),
    deadline: duration(text(flags, "deadline"), "--deadline"),
    soak: duration(text(flags, "soak"), "--soak"),
    atOnce: Number(text(flags, "atOnce")),
    onHalt: text(flags, "onHalt") === "stop" ? "stop" : "roll_back",
    guards: {
      ...guards(text(flags, "guards") ?? "all"),
      ...(text(flags, "guardWindow") === undefined ? {} : { window: duration(text(flags, "guardWindow"), "--guard-window") }),
    },
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

function share(given: string, flag: string): number {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(given.trim())?.[1];
  const value = percent === undefined ? Number(given) : Number(percent) / 100;
  if (!(value >= 0 && value <= 1)) throw cliProblems.usage(`${flag}: "${given}" is not a share.`, { fix: "Write 5% or 0.05." });
  return value;
}

function duration(given: string | undefined, flag: string): string {
  const length = parseDuration(given ?? "");
  if (length === undefined)
    throw cliProblems.usage(`${flag}: "${given}" is not a duration.`, { fix: "Write 30s, 5m, 2h or PT5M." });
  return formatDuration(length);
}
