import { parseDuration } from "@tenfold/base";
import type { DeploymentReason, DeploymentState, StepTimeouts, UpdateStep } from "@tenfold/contracts";

/** The longest that each step may take (ms), where the plan says it. */
export type Timeouts = { readonly [Step in UpdateStep]?: number };

export function timeoutsOf(said: StepTimeouts | undefined): Timeouts | undefined {
  const read = Object.entries(said ?? {}).flatMap(([step, length]) => {
    const ms = parseDuration(length ?? "");
    return ms === undefined ? [] : [[step, ms] as const];
  });
  return read.length === 0 ? undefined : Object.fromEntries(read);
}

/** The step that a deployment is in; undefined where it is not on its way. A client that installs while it downloads is in one step. */
export function stepOf(state: DeploymentState): UpdateStep | undefined {
  switch (state) {
    case "offered":
    case "downloading":
      return "download";
    case "downloaded":
    case "verified":
    case "installing":
      return "install";
    case "rebooting":
    case "validating":
      return "boot";
    default:
      return undefined;
  }
}

/** When a step that began at `at` must be done: its own time, and never past the end of the whole. */
export function deadlineOf(
  step: UpdateStep,
  { timeouts = {}, finalAt }: { timeouts?: Timeouts | undefined; finalAt: number },
  at: number,
): number {
  const own = timeouts[step];
  return own === undefined ? finalAt : Math.min(finalAt, at + own);
}

/** How a step ends that a device was heard in and did not finish. */
export const timedOut = {
  download: "download_timed_out",
  install: "install_timed_out",
  boot: "boot_timed_out",
} as const satisfies Record<UpdateStep, DeploymentReason>;
