import type { CrashSignature, HaltReport } from "@tenfold/contracts";
import type { StoredDecision } from "./decisions.shell.ts";
import type { Harmed } from "./facts.shell.ts";
import { exposedOf, type Tally } from "./rollout.ts";
import type { StoredRollout } from "./store.ts";

export type FirstFailure = NonNullable<HaltReport["firstFailure"]>;
export type HaltFacts = {
  rollout: StoredRollout;
  haltedAt: number;
  stages: readonly Tally[];
  decisions: readonly StoredDecision[];
  first: FirstFailure | undefined;
  harmed: readonly Harmed[];
  notRestored: readonly { device: string }[];
  restored: number;
  reasons: HaltReport["reasons"];
  signatures: readonly CrashSignature[];
};

/** A timeline tells of turns, not of every batch of offers. */
const batches = new Set(["offered", "skipped", "rollback_planned", "stepped_aside"]);
const iso = (at: number): string => new Date(at).toISOString();

/** Puts what is stored of a halt together. Pure: whoever asks, whenever, comes to the same report of the same facts. */
export function writeHaltReport(facts: HaltFacts): HaltReport {
  const { rollout, haltedAt, stages, decisions, harmed, signatures } = facts;
  const halt = decisions.find(({ decision }) => decision === "halted" || decision === "rollback_requested");
  const blast = {
    targets: rollout.targets,
    exposed: stages.reduce((sum, stage) => sum + exposedOf(stage), 0),
    harmed: stages.reduce((sum, stage) => sum + stage.harmed, 0),
    returned: harmed.filter(({ returnedAt }) => returnedAt !== undefined).length,
    restored: facts.restored,
    notRestored: facts.notRestored.length,
    heldBack: stages.reduce((sum, stage) => sum + stage.queued + stage.cancelled, 0),
  };
  const report: Omit<HaltReport, "nextSteps"> = {
    rollout: rollout.id,
    release: { id: rollout.release.id, name: rollout.release.name, version: rollout.release.version },
    phase: rollout.phase,
    startedBy: rollout.createdBy,
    startedAt: iso(rollout.createdAt),
    haltedAt: iso(haltedAt),
    because: rollout.haltedBecause ?? rollout.because,
    decidedBy: halt?.decision === "halted" ? "gate" : "person",
    stage: halt?.stage ?? rollout.stage,
    ...(facts.first === undefined ? {} : { firstFailure: facts.first }),
    signatures: [...signatures],
    blast,
    evidence: halt?.evidence ?? {},
    reasons: [...facts.reasons],
    timeline: decisions
      .filter(({ decision }) => !batches.has(decision))
      .map(({ at, decision, because }) => ({ at: iso(at), what: decision.replaceAll("_", " "), because })),
  };
  return { ...report, nextSteps: nextSteps(report, rollout.plan.onHalt) };
}

const devicesAre = (n: number): string => (n === 1 ? "1 device is" : `${n} devices are`);

/** What a person should do now, the most urgent first. */
function nextSteps(
  { rollout, phase, blast, reasons, signatures }: Omit<HaltReport, "nextSteps">,
  onHalt: "roll_back" | "stop",
): string[] {
  const had = (reason: string) => reasons.some((one) => one.reason === reason);
  // What names no known error leads nowhere: it comes first only where nothing else was left behind.
  const worst = signatures.find(({ frames }) => frames.length > 0) ?? signatures[0];
  return [
    ...(phase === "rolling_back"
      ? [`Wait: ${devicesAre(blast.restored)} back so far; \`tenfold rollout watch ${rollout}\` shows the rest.`]
      : []),
    ...(phase === "halted" && onHalt === "stop"
      ? [`Devices keep the release, as the plan says. To bring them back: \`tenfold rollout rollback ${rollout}\`.`]
      : []),
    ...(phase === "halted" && onHalt === "roll_back"
      ? ["The way back failed too and was stopped. Look at a device that did not come back before anything else is tried."]
      : []),
    ...(blast.notRestored > 0
      ? [
          `${devicesAre(blast.notRestored)} not back on the last known good release: \`tenfold rollout report ${rollout}\` names ${blast.notRestored === 1 ? "it" : "them"} and says why.`,
        ]
      : []),
    ...(worst
      ? [
          `Look at "${worst.title}" first (${worst.devices === 1 ? "1 device" : `${worst.devices} devices`}): \`tenfold rollout crashes ${rollout}\` lists it; its bytes are at \`/api/v1/crashes/${worst.example}/bytes\`.`,
        ]
      : []),
    ...(had("silent_after_reboot")
      ? [
          "Devices went silent after their reboot: power or a person on site may be needed. They are brought back by themselves when they are heard.",
        ]
      : []),
    ...(had("download_network")
      ? ["Downloads failed on the network: that is not the release. Check the path to the artifacts before a new start."]
      : []),
    `Check that the evidence holds: \`tenfold rollout replay ${rollout}\`.`,
    "Retire the release, so that nobody starts it again; mend it under a new version.",
    `When the cause is found, let the crash evidence go: \`tenfold rollout crashes ${rollout} --release --reason …\`.`,
  ];
}

/** The report for people, as Markdown. */
export function markdownOf(report: HaltReport): string {
  const { release, blast, firstFailure, signatures, evidence, reasons, timeline, nextSteps: steps } = report;
  const list = (lines: readonly string[]) => (lines.length === 0 ? "None.\n" : `${lines.map((line) => `- ${line}`).join("\n")}\n`);
  const sections: [string, string][] = [
    [
      "Blast radius",
      list([
        `${blast.exposed} of ${blast.targets} devices were exposed; ${blast.heldBack} were never offered the release`,
        `${blast.harmed} were harmed; ${blast.returned} of them were heard again`,
        `${blast.restored} are back on their last known good release; ${blast.notRestored} are not`,
      ]),
    ],
    [
      "First failure",
      firstFailure
        ? `${firstFailure.device} at ${firstFailure.at}: ${firstFailure.state}${firstFailure.reason ? ` (${firstFailure.reason})` : ""}. ${plain(firstFailure.detail ?? "")}\n${
            firstFailure.log.length > 0 ? `\n    ${firstFailure.log.slice(-10).map(plain).join("\n    ")}\n` : ""
          }`
        : "No device failed: a guard or a person halted it.\n",
    ],
    [
      "Crash signatures",
      list(
        signatures.map(
          (one) =>
            `${one.devices} devices, ${one.crashes} crashes: ${plain(one.title)}${one.frames.length > 0 ? ` at ${one.frames.map(plain).join(" < ")}` : ""} (build ${one.build?.slice(0, 12) ?? one.version ?? "unknown"})`,
        ),
      ),
    ],
    ["Reasons", list(reasons.map((one) => `${one.devices} devices: ${one.reason}`))],
    ["Evidence of the gates", `\n    ${JSON.stringify(evidence, null, 2).replaceAll("\n", "\n    ")}\n`],
    ["Timeline", list(timeline.map((one) => `${one.at} ${one.what}: ${plain(one.because)}`))],
    ["What next", list(steps)],
  ];
  return [
    `# ${plain(release.name)} ${release.version} was halted\n`,
    `Rollout ${report.rollout}, started by ${plain(report.startedBy)} at ${report.startedAt}, halted at ${report.haltedAt} in stage ${report.stage + 1} by ${report.decidedBy === "gate" ? "a gate" : "a person"}; it is ${report.phase.replaceAll("_", " ")} now.\n`,
    `**Why:** ${plain(report.because)}\n`,
    ...sections.map(([title, body]) => `## ${title}\n\n${body}`),
  ].join("\n");
}

/** What a device or a person wrote is text and no markup. */
const plain = (text: string): string => text.replace(/[\r\n]+/g, " ").replace(/[\\`*_[\]<>#|]/g, (sign) => `\\${sign}`);
