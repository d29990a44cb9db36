import { type GuardEvidence, type GuardRule, type GuardSums, guardSentence, haltingGuard, weighGuards } from "./guards/evidence.ts";
import { exposedOf, type Tally } from "./rollout.ts";

/** The failure rate that a healthy release may have. */
const baseline = 0.01;
/** How often a whole healthy rollout may be halted by mistake at most: by its failures and by its guards together. */
export const falseHalts = 0.01;

/** The part of it that all strata together have, where the plan names some. */
export const strataFalseHalts = 0.005;

/** The evidence at which failures halt: ln(1/α), where guards and strata have their part of α. */
export const haltAtLogEBeside = (
  { watch, falseHalts: guards }: Omit<GuardRule, "least">,
  strata: "strata" | "none" = "none",
): number => Math.log(1 / (falseHalts - (watch.length === 0 ? 0 : guards) - (strata === "strata" ? strataFalseHalts : 0)));
/** The way back is judged by its failures alone. */
export const haltAtLogE = Math.log(1 / falseHalts);

// 60 alternatives from 1.2 % to 90 %, evenly spaced in the logarithm.
const alternatives = Array.from({ length: 60 }, (_, j) => 0.012 * (0.9 / 0.012) ** (j / 59));
const perHarmed = alternatives.map((q) => Math.log(q / baseline));
const perUnharmed = alternatives.map((q) => Math.log((1 - q) / (1 - baseline)));

/**
 * Evidence that more than `baseline` of the devices fail, as the logarithm of an e-value: the even mixture of the likelihood ratios of
 * the alternatives. Under any rate up to the baseline its exponential is a supermartingale in the number of devices, so by Ville's
 * inequality it reaches 1/α in at most a share α of healthy rollouts, however often one looks.
 *
 * A device that has not ended yet is an unharmed one here. That keeps the guarantee whatever the delays: failures are often heard
 * before successes, and to count only what was decided would take the fast bad news for the whole truth.
 */
export function logEvidence(harmed: number, exposed: number): number {
  const terms = perHarmed.map((gain, j) => harmed * gain + (exposed - harmed) * (perUnharmed[j] ?? 0));
  const top = Math.max(...terms);
  return top + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - top), 0)) - Math.log(terms.length);
}

export type GateEvidence = {
  stageDevices: number;
  stageHarmed: number;
  stageShare: number;
  haltAbove: number;
  exposed: number;
  harmed: number;
  logE: number;
  haltAtLogE: number;
  guards: GuardEvidence[];
};

export type GateVerdict =
  | { is: "green"; evidence: GateEvidence }
  | { is: "halt"; gate: "share" | "sequential" | "guard"; because: string; evidence: GateEvidence };

export type Judged = {
  stage: Tally;
  stages: readonly Tally[];
  haltAbove: number;
  guardRule: GuardRule;
  guards: readonly GuardSums[];
  strata?: "strata" | "none";
};

/**
 * Judges a stage by three gates; any one halts.
 *
 * Share: the plan's own limit. The denominator is every device of the stage that took the release or still may, so the verdict is a
 * certainty and no guess: nothing that the rest of the stage does can bring the share below the limit again. One failure of three
 * decided devices halts a canary of three, and does not halt a stage of a hundred.
 *
 * Sequential: all devices that the rollout exposed so far, against the baseline. It sees a bad release long before the share is certain.
 *
 * Guards: what updated devices do, beside devices that have not been offered the release (guards/evidence.ts).
 */
export function judgeGates({ stage, stages, haltAbove, guardRule, guards: sums, strata = "none" }: Judged): GateVerdict {
  const stageDevices = stage.devices - stage.skipped - stage.cancelled;
  const [exposed, harmed] = [sum(stages.map(exposedOf)), sum(stages.map((tally) => tally.harmed))];
  const stageShare = stageDevices === 0 ? 0 : stage.harmed / stageDevices;
  const logE = logEvidence(harmed, exposed);
  const [mark, guards] = [haltAtLogEBeside(guardRule, strata), weighGuards(guardRule, sums)];
  const evidence = {
    stageDevices,
    stageHarmed: stage.harmed,
    stageShare,
    haltAbove,
    exposed,
    harmed,
    logE,
    haltAtLogE: mark,
    guards,
  };
  if (stageShare > haltAbove) {
    return {
      is: "halt",
      gate: "share",
      because: `${stage.harmed} of the stage's ${stageDevices} devices failed or fell silent, which is more than ${percent(haltAbove)}.`,
      evidence,
    };
  }
  if (logE >= mark) {
    return {
      is: "halt",
      gate: "sequential",
      because: `${harmed} of ${exposed} devices failed or fell silent; a healthy release does that by chance in less than 1 rollout of 100.`,
      evidence,
    };
  }
  const halting = haltingGuard(guards);
  if (halting) return { is: "halt", gate: "guard", because: guardSentence(halting), evidence };
  return { is: "green", evidence };
}

/** A rollback that itself fails must not go on either: the same evidence, over the devices that are being brought back. */
export function judgeRestores(
  restores: Tally,
):
  | { is: "green" }
  | { is: "halt"; because: string; evidence: { exposed: number; harmed: number; logE: number; haltAtLogE: number } } {
  const [exposed, { harmed }] = [exposedOf(restores), restores];
  const logE = logEvidence(harmed, exposed);
  if (logE < haltAtLogE) return { is: "green" };
  return {
    is: "halt",
    because: `The way back fails too: ${harmed} of ${exposed} devices did not come back.`,
    evidence: { exposed, harmed, logE, haltAtLogE },
  };
}

const sum = (numbers: number[]): number => numbers.reduce((total, n) => total + n, 0);
const percent = (share: number): string => `${Math.round(share * 1_000) / 10} %`;
