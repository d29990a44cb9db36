import type { DeploymentReason, DeploymentState, UpdateCode } from "@tenfold/contracts";
import type { Block } from "./conditions.ts";
import { awaitingBlock } from "./installs.ts";
import type { Picture } from "./picture.ts";
import { planRollout, type Step } from "./plan.ts";
import { isHarmed, isInFlight, type Rollout } from "./rollout.ts";
import { heldUp, standsStill } from "./standstill.ts";

/** Where a device stands in one rollout, and why; `until` in ms. */
export type Standing = { code: UpdateCode; because: string; until?: number };

/** A device's newest deployment in a rollout. Times in ms. */
export type Placed = {
  deployment: string;
  stage: number;
  rollback: boolean;
  state: DeploymentState;
  reason?: DeploymentReason;
  detail?: string;
  version: string;
  /** What the rollout wants it to run in the end, where that is known. */
  wanted?: string;
  deadlineAt?: number;
  /** It waits for its window with nothing to do. */
  awaits?: true;
  /** The loop passes over it until then, for this reason. */
  lookAgainAt: number;
  blocked?: Block;
};

/**
 * Why a device with a place in a rollout is not updated. It asks the planner itself what it would do now with the very picture that the loop
 * would have, and reads the answer off its steps: what it says cannot differ from what the engine does.
 */
export function explainPlaced(placed: Placed, { rollout, picture }: { rollout: Rollout; picture: Picture }, now: number): Standing {
  if (placed.state !== "queued" && !placed.awaits) return ofState(placed);
  const steps = planRollout(rollout, picture, now);
  const mine = steps.find((step) => "deployment" in step && step.deployment === placed.deployment);
  if (mine) return ofStep(mine, placed);
  const turn = steps.find((step) => step.do === "halt" || step.do === "stop_restoring" || step.do === "pause");
  if (turn)
    return { code: turn.do === "pause" ? "paused" : "ended_cancelled", because: `Its rollout is stopping: ${turn.because}` };
  return waits(placed, { rollout, picture }, now);
}

function waits(placed: Placed, { rollout, picture }: { rollout: Rollout; picture: Picture }, now: number): Standing {
  if (placed.awaits) return waitsReady(placed, { rollout, picture }, now);
  const still = standsStill(rollout, picture, now);
  const begun = placed.rollback || (placed.stage === rollout.stage && picture.stages[placed.stage]?.state !== "waiting");
  // What holds the whole rollout up says more than that a stage has not begun; that its places are taken says less.
  const ofPlaces = still && ["at_once_reached", "shared_places_reached", "rate_reached"].includes(still.code);
  if (still && !ofPlaces) return still;
  if (!begun)
    return { code: "stage_not_begun", because: `It is in stage ${placed.stage + 1}, and stage ${rollout.stage + 1} goes on.` };
  if (placed.lookAgainAt > now && placed.blocked) return { until: placed.lookAgainAt, ...placed.blocked };
  if (still) return still;
  return { code: "turn_not_come", because: "Others of its stage come before it." };
}

/** What keeps a device from installing that has the release ready. */
function waitsReady(placed: Placed, { rollout, picture }: { rollout: Rollout; picture: Picture }, now: number): Standing {
  const ready = (block: Block): Standing => awaitingBlock(placed.version, block);
  const still = heldUp(rollout, picture, now);
  if (still) return ready(still);
  if (placed.lookAgainAt > now && placed.blocked) return { until: placed.lookAgainAt, ...ready(placed.blocked) };
  return ready(standsStill(rollout, picture, now) ?? { code: "turn_not_come", because: "Others come before it." });
}

function ofStep(step: Step, { version }: Placed): Standing {
  switch (step.do) {
    case "let_install":
      return { code: "installs_next", because: `It has ${version} ready and nothing stands against it: it may install now.` };
    case "await_window":
      return { until: step.lookAgainAt, ...awaitingBlock(version, step.block) };
    case "recall_install":
      return { code: "awaits_window", because: `It has ${version} ready, and its window closed before it began.` };
    case "offer":
      return {
        code: "offered_next",
        because: step.via
          ? `Nothing stands against it: it is offered ${step.via.version} now, a stepping stone, and the release after it has booted that.`
          : "Nothing stands against it: it is offered the release now.",
      };
    case "step_aside":
      return { until: step.lookAgainAt, ...step.block };
    case "skip":
      return { code: "ended_skipped", because: step.detail };
    default:
      return { code: "turn_not_come", because: "The engine is at work on it." };
  }
}

/** What became of a deployment that waits for nothing any more. */
export function ofState({ state, reason, detail, version, wanted, rollback, deadlineAt }: Placed): Standing {
  const stone = !rollback && wanted !== undefined && wanted !== version;
  const what = rollback ? `the way back to ${version}` : stone ? `${version}, a stepping stone on its way to ${wanted},` : version;
  if (isInFlight(state))
    return {
      code: "updating",
      because: `It is ${state}: ${what} is on its way.`,
      ...(deadlineAt === undefined ? {} : { until: deadlineAt }),
    };
  if (state === "succeeded") return { code: "updated", because: `It booted ${what} and was verified.` };
  const why = [reason, detail].filter((part) => part !== undefined).join(": ") || "no reason was given";
  if (isHarmed(state)) return { code: "ended_failed", because: `It ended ${state.replaceAll("_", " ")}: ${why}` };
  if (state === "skipped") return { code: "ended_skipped", because: `It was skipped: ${why}` };
  return { code: "ended_cancelled", because: `It was cancelled: ${why}` };
}

/** What a person can do, where there is something. */
export function fixOf(code: UpdateCode, { device, rollout }: { device: string; rollout?: string }): string | undefined {
  const of = rollout ?? "ID";
  const fixes: Partial<Record<UpdateCode, string>> = {
    awaiting_approval: `tenfold rollout approve ${of}`,
    paused: `tenfold rollout resume ${of}`,
    frozen: `Wait for its end, or in an emergency: tenfold rollout override-freeze ${of} --reason TEXT`,
    pinned: "tenfold rollout pins, and lift the pin",
    excluded: "tenfold rollout pins, and lift the exclusion",
    device_not_active: `tenfold device show ${device}`,
    model_unknown: "It says its model in its heartbeat; let it be heard once.",
    stone_not_proven: "Wait until that has completed; if it was taken back, release a stone that is good.",
    prerequisite_missing: "Bring the device to what the plan requires first.",
    joined_too_late: "Start another rollout, or let late joiners join by the plan.",
    beyond_last_stage: "Start a rollout whose last stage reaches everybody.",
    ended_failed: `tenfold device logs ${device}, and tenfold rollout report ${of}`,
    ended_cancelled: `tenfold rollout report ${of}`,
    not_in_filter: "Change its tags or groups, or the filter of the next rollout.",
    no_open_rollout: "tenfold rollout start RELEASE",
    in_other_rollout: "Give one of the two rollouts more weight.",
  };
  return fixes[code];
}
