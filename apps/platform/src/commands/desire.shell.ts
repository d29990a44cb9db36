import type { Scope } from "@tenfold/base";
import type { DesiredChange, DeviceState } from "@tenfold/contracts";
import { mergePatch, registryProblems } from "../registry/index.ts";
import { assertStorable } from "./command.ts";
import type { CommandsDeps } from "./deps.ts";
import { lockDesired, readDesired, writeDesired } from "./desired.shell.ts";
import { changed, type Desired, judgeConvergence, type StateDocument } from "./desired.ts";
import { commandProblems } from "./errors.ts";
import { activeDevices, type Who } from "./give.shell.ts";
import { largestDesired } from "./limits.ts";
import { announceState } from "./reconcile.ts";

export type Change = { mode: DesiredChange["mode"]; document: StateDocument; reason: string };

/** What a device should be, says it is, and whether it has followed. */
export async function stateOf({ db, registry }: CommandsDeps, scope: Scope, device: string): Promise<DeviceState> {
  const [reported, desired] = await Promise.all([registry.reportedOf(scope, device), readDesired(db, scope, device)]);
  if (reported === undefined)
    throw registryProblems.device_unknown(`Device "${device}" is not registered.`, {
      fix: "See the devices with: tenfold device list",
    });
  return {
    device,
    // Both came in through schemas that read them as JSON.
    reported: reported as DeviceState["reported"],
    ...(desired === undefined || desired.generation === 0 ? {} : { desired: desiredView(desired) }),
    convergence: judgeConvergence(desired),
  };
}

const desiredView = ({ generation, state, changedAt, changedBy, reason }: Desired): NonNullable<DeviceState["desired"]> => ({
  generation,
  state,
  changedAt: new Date(changedAt).toISOString(),
  changedBy,
  reason,
});

/**
 * Changes what one device should be. A change that changes nothing makes no generation. `expectedGeneration` refuses the change where
 * somebody else was faster.
 */
export async function desire(
  deps: CommandsDeps,
  who: Who,
  { device, expectedGeneration, ...change }: Change & { device: string; expectedGeneration?: number | undefined },
): Promise<DeviceState> {
  // Throws for a device that the fleet does not have.
  await stateOf(deps, who.scope, device);
  await changeAll(deps, who, { devices: [device], change, expectedGeneration });
  return stateOf(deps, who.scope, device);
}

/** Changes what every active device that a filter lets through should be: all of them, or none. */
export async function desireMany(
  deps: CommandsDeps,
  who: Who,
  { filter, ...change }: Change & { filter: string },
): Promise<{ devices: number; changed: number }> {
  const devices = await activeDevices(deps, who.scope, filter);
  return { devices: devices.length, changed: await changeAll(deps, who, { devices, change, filter }) };
}

type Whole = { devices: readonly string[]; change: Change; filter?: string; expectedGeneration?: number | undefined };

async function changeAll(
  deps: CommandsDeps,
  { scope, actor }: Who,
  { devices, change, filter, expectedGeneration }: Whole,
): Promise<number> {
  const { db, audit, clock } = deps;
  const { mode, document, reason } = change;
  assertStorable(document, { field: mode === "merge" ? "patch" : "state", most: largestDesired });
  const changes = await db.transaction().execute(async (tx) => {
    const at = clock.now();
    const before = await lockDesired(tx, scope, { devices, at });
    for (const one of before) refuseOvertaken(one, expectedGeneration);
    const written = before.flatMap((one) => next(one, change));
    await writeDesired(tx, scope, { changes: written, how: { mode, document, reason, by: actor.name, at } });
    const [only] = written;
    if (only === undefined) return written;
    await audit(tx, scope, {
      actor,
      action: "state.desired",
      subject: filter === undefined ? { kind: "device", id: only.device } : { kind: "filter", id: filter.slice(0, 200) },
      detail: {
        mode,
        keys: Object.keys(document).slice(0, 50),
        devices: written.length,
        generation: filter === undefined ? only.generation : null,
        reason,
      },
    });
    return written;
  });
  for (const { device, generation } of changes) announceState(deps, scope, device, generation);
  return changes.length;
}

function refuseOvertaken({ device, generation }: Desired, expected: number | undefined): void {
  if (expected === undefined || expected === generation) return;
  throw commandProblems.desired_generation_conflict(
    `The desired state of "${device}" is at generation ${generation}, not ${expected}: somebody changed it meanwhile.`,
    { field: "expectedGeneration", fix: "Read it again, and decide anew." },
  );
}

function next(before: Desired, change: Change): { device: string; generation: number; state: StateDocument }[] {
  const state = changed(before.state, change, mergePatch);
  if (state === undefined) return [];
  assertStorable(state, { field: `the desired state of ${before.device}`, most: largestDesired });
  return [{ device: before.device, generation: before.generation + 1, state }];
}
