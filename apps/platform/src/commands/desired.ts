import { isDeepStrictEqual } from "node:util";
import type { Json } from "@tenfold/base";
import {
  type AppliedDesired,
  appliedDesired,
  type DesiredChange,
  type DesiredDocument,
  type DeviceState,
} from "@tenfold/contracts";

export type StateDocument = DesiredDocument["state"];

/** What is desired of a device, and how far it follows. Generation 0: nothing yet. Times in ms since 1970. */
export type Desired = {
  device: string;
  generation: number;
  state: StateDocument;
  reason: string;
  changedBy: string;
  changedAt: number;
  appliedGeneration?: number;
  appliedAt?: number;
  refused: string[];
};

export type StoredChange = Omit<DesiredChange, "at"> & { at: number };

/** The document after a change; undefined where it changes nothing. `merge` is RFC 7396, passed in by the registry's rule for reported state. */
export function changed(
  before: StateDocument,
  { mode, document }: { mode: DesiredChange["mode"]; document: StateDocument },
  merge: (state: Json, patch: Json) => Json,
): StateDocument | undefined {
  // A merge patch that is an object gives an object (RFC 7396 2).
  const after = mode === "replace" ? document : (merge(before, document) as StateDocument);
  return isDeepStrictEqual(after, before) ? undefined : after;
}

export const desiredDocumentOf = ({ generation, state }: Desired): DesiredDocument | undefined =>
  generation === 0 ? undefined : { generation, state };

/** What a patch of the reported state says about following; undefined where it says nothing that can be read. */
export function readApplied(patch: Json): AppliedDesired | undefined {
  if (typeof patch !== "object" || patch === null || !("desired" in patch)) return undefined;
  const read = appliedDesired.safeParse(patch.desired);
  return read.success ? read.data : undefined;
}

/** Whether the device has followed, and why not. */
export function judgeConvergence(desired: Desired | undefined): DeviceState["convergence"] {
  if (desired === undefined || desired.generation === 0)
    return { is: "nothing_desired", because: "Nothing is desired of this device." };
  const { generation, appliedGeneration, appliedAt, refused } = desired;
  const applied = {
    ...(appliedGeneration === undefined ? {} : { appliedGeneration }),
    ...(appliedAt === undefined ? {} : { appliedAt: new Date(appliedAt).toISOString() }),
  };
  if (appliedGeneration === undefined)
    return { is: "waiting", because: `The device has never said that it follows; generation ${generation} is desired.` };
  if (appliedGeneration !== generation)
    return { is: "waiting", because: `The device follows generation ${appliedGeneration}; ${generation} is desired.`, ...applied };
  if (refused.length > 0)
    return {
      is: "partly",
      because: `The device follows generation ${generation}, but does not take: ${refused.slice(0, 5).join(", ")}.`,
      ...applied,
    };
  return { is: "converged", because: `The device follows generation ${generation}.`, ...applied };
}
