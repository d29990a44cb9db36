import type { DeploymentReason } from "../../packages/contracts/src/index.ts";
import { topRoles } from "../../packages/ota/src/tuf/metadata.ts";
import type { Ending, Vector } from "./play.ts";
import type { OldStep } from "./translate.ts";

/** What the suite's client calls a fault, and what a device of ours may report of it. The part behind `::` is a role or a repository. */
const reasons: Readonly<Record<string, readonly DeploymentReason[]>> = {
  IllegalThreshold: ["metadata_malformed"],
  NonUniqueSignatures: ["metadata_malformed"],
  SecurityException: ["metadata_malformed"],
  DirectorDelegation: ["metadata_malformed"],
  DirectorRepeatedEcuId: ["metadata_malformed"],
  UnmetThreshold: ["metadata_signature_invalid"],
  // A key that is listed under another's name signs nothing: the role lacks a signature.
  BadKeyId: ["metadata_signature_invalid"],
  ExpiredMetadata: ["metadata_expired"],
  RootRotationError: ["metadata_rollback"],
  VersionMismatch: ["metadata_mismatch"],
  DelegationMissing: ["metadata_missing"],
  MetadataFetchFailure: ["metadata_too_large"],
  TargetMismatch: ["metadata_repositories_disagree"],
  BadEcuId: ["metadata_wrong_device"],
  OversizedTarget: ["download_size_mismatch"],
  TargetHashMismatch: ["download_hash_mismatch"],
  BadHardwareId: ["metadata_wrong_hardware"],
};

/** Where the suite's client has a coarser or another word than the vector's own description. */
const closer: Readonly<Record<string, readonly DeploymentReason[]>> = {
  delegation_empty: ["metadata_target_missing"],
  delegation_path_mismatch: ["metadata_target_missing"],
  delegation_expired: ["metadata_expired"],
  // A role that the snapshot does not list is not there.
  delegation_snapshot_missing: ["metadata_missing"],
};

/** Vectors that contradict the standard of today, and what that asks for instead in their last step. */
const contradictions: Readonly<Record<string, { expected: readonly DeploymentReason[]; why: string }>> = {
  image_repo_metadata_changed_while_version_same: {
    expected: ["metadata_target_missing"],
    why: "a changed timestamp of the same version is to be believed; TUF 1.0.31, 5.4.3.1, discards it, so the list of before stands",
  },
};

const [inDirector, inImage] = [
  { director: true, image: false },
  { director: false, image: true },
];
/** Where the suite reports a disagreement at the other repository than the one that its description makes faulty. */
const faultyIn: Readonly<Record<string, typeof inImage>> = {
  delegation_empty: inImage,
  delegation_path_mismatch: inImage,
  delegation_expired: inImage,
  delegation_hash_mismatch: inImage,
  image_repo_target_oversized: inImage,
  director_target_oversized: inDirector,
};

export type Judgement =
  | { is: "passed"; endings: readonly string[] }
  | { is: "failed"; detail: string }
  | { is: "excluded"; why: string };

/** Compares how the steps ended with what the vector asks for. An excluded vector must do what the standard of today asks for, too. */
export function judge({ name, steps }: Vector, endings: readonly Ending[]): Judgement {
  const contradiction = contradictions[name];
  const wrong = steps.flatMap((step, index) => {
    const last = index === steps.length - 1;
    const expected = (last ? contradiction?.expected : undefined) ?? expectedOf(name, step);
    const ending = endings[index];
    const found = ending?.is === "refused" ? ending.because : "installed";
    const right = expected.length === 0 ? found === "installed" : (expected as readonly string[]).includes(found);
    const detail = ending?.is === "refused" ? ending.detail : "";
    if (!right) return [`step ${index}: ${expected.join(" or ") || "installed"} was expected, ${found} was found: ${detail}`];
    const unnamed = rolesAtFault(step).filter((role) => !detail.toLowerCase().includes(role));
    return unnamed.map((role) => `step ${index}: the fault is in ${role}, and the device says: ${detail}`);
  });
  if (wrong.length > 0) return { is: "failed", detail: wrong.join("; ") };
  if (contradiction) return { is: "excluded", why: contradiction.why };
  return { is: "passed", endings: endings.map((ending) => (ending.is === "refused" ? ending.because : ending.is)) };
}

const errorsOf = ({ director, image }: OldStep): readonly string[] => [...director.errors, ...image.errors];

/** The top-level roles that the suite names behind `::`: a refusal must be about them, not about something that came before. */
function rolesAtFault(step: OldStep): string[] {
  const named = errorsOf(step).map((error) => error.split("::")[1]?.toLowerCase());
  return topRoles.filter((role) => named.includes(role));
}

/**
 * The vector with an honest repository in the place of the faulty one in its last step: what a device must install, if the translation
 * has left nothing wrong but the fault. Undefined where there is no fault, or where the vector contradicts the standard.
 */
export function withoutFault(vector: Vector, honest: OldStep): Vector | undefined {
  const step = vector.steps.at(-1);
  if (step === undefined || errorsOf(step).length === 0 || vector.name in contradictions) return undefined;
  const { director, image } = step;
  const faulty = faultyIn[vector.name] ?? { director: director.errors.length > 0, image: image.errors.length > 0 };
  const healed = { director: faulty.director ? honest.director : director, image: faulty.image ? honest.image : image };
  return { ...vector, steps: [...vector.steps.slice(0, -1), healed] };
}

function expectedOf(name: string, step: OldStep): readonly DeploymentReason[] {
  const errors = errorsOf(step);
  if (errors.length === 0) return [];
  return closer[name] ?? errors.flatMap((error) => reasons[error.split("::")[0] ?? ""] ?? unknownError(error));
}

function unknownError(error: string): never {
  throw new Error(`The suite has a fault that no reason of ours stands for: ${error}.`);
}
