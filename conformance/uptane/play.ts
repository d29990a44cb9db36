import type { DeploymentReason } from "../../packages/contracts/src/index.ts";
import { beginTrust, type Checked, type DeviceTrust, follow } from "../../packages/device/src/metadata.ts";
import { verifyArtifact } from "../../packages/ota/src/artifact.ts";
import { type PrivateKey, readPrivateKey } from "../../packages/ota/src/keys.ts";
import { artifactPath, checkOffer } from "../../packages/ota/src/offer.ts";
import { addSignature, signRelease } from "../../packages/ota/src/release.ts";
import type { MetadataSource } from "../../packages/ota/src/tuf/updater.ts";
import { type OldStep, statementOf, type Translation, translateStep } from "./translate.ts";

export type Vector = { readonly name: string; readonly about: string; readonly steps: readonly OldStep[] };
export type Player = Translation & { readonly model: string; readonly now: number };

/** How a step ended on the device. */
export type Ending = { is: "installed" } | { is: "refused"; because: DeploymentReason; detail: string };

/** A device that goes through a vector's steps: metadata of both repositories, then the offer, then the bytes, as on a real one. */
export async function play({ steps }: Vector, player: Player): Promise<Ending[]> {
  let trust: DeviceTrust | undefined;
  const endings: Ending[] = [];
  for (const [index, step] of steps.entries()) {
    const files = await translateStep(step, index, player);
    const source: MetadataSource = async (name, most) => {
      const file = files.get(name);
      return file === undefined ? undefined : Buffer.from(file).subarray(0, most + 1);
    };
    const rootOf = (folder: string) => files.get(`${folder}/1.root.json`) ?? "";
    trust ??= beginTrust({ image: rootOf("image"), director: rootOf("director") });
    const followed = await follow(trust, source, { device: player.device, running: undefined, now: player.now });
    trust = followed.trust;
    endings.push(endingOf(followed.checked, step, player));
  }
  return endings;
}

function endingOf(checked: Checked, { image }: OldStep, { keys, model }: Player): Ending {
  if (checked.is === "refuse") return { ...checked, is: "refused" };
  if (checked.is === "nothing") throw new Error("No vector directs nothing.");
  const { direction, custom, signers } = checked;
  const statement = statementOf(direction.path, direction.file, custom.hardwareIds);
  const [first, ...others] = [...keys.values()].map(({ privateKey }) => releaseKey(privateKey));
  if (first === undefined) throw new Error("The suite has keys.");
  // Every key signs the release: what the vectors are about is in the metadata alone.
  const release = others.reduce(addSignature, signRelease(statement, first));
  const path = artifactPath(statement.artifact.sha256);
  const offer = {
    is: "offer",
    deployment: direction.deployment,
    release,
    artifactPath: path,
    deadlineS: 60,
    rollback: false,
  } as const;
  const verdict = checkOffer({ offer, model, currentVersion: "0.9.0", ...signers });
  if (verdict.is === "refuse") return { ...verdict, is: "refused" };
  const artifact = verifyArtifact(verdict.release.artifact);
  const fault = artifact.update(Buffer.from(image.contents[direction.path] ?? "", "base64")) ?? artifact.finish();
  return fault.is === "fault" ? { ...fault, is: "refused" } : { is: "installed" };
}

const releaseKey = (key: Translation["spare"]["privateKey"]): PrivateKey =>
  readPrivateKey(key.export({ type: "pkcs8", format: "pem" }).toString());

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
  BadHardwareId: ["offer_incompatible_model"],
};

/** Where the suite's client has a coarser or another word than the vector's own description. */
const closer: Readonly<Record<string, readonly DeploymentReason[]>> = {
  delegation_empty: ["metadata_target_missing"],
  delegation_path_mismatch: ["metadata_target_missing"],
  delegation_expired: ["metadata_expired"],
  // A role that the snapshot does not list is not there.
  delegation_snapshot_missing: ["metadata_missing"],
  // The director's word differs from the image repository's, and that is found before anybody looks at the device.
  director_bad_hw_id: ["metadata_repositories_disagree"],
};

/** Vectors that contradict the standard of today, and what that asks for instead in their last step. */
const contradictions: Readonly<Record<string, { expected: readonly DeploymentReason[]; why: string }>> = {
  image_repo_metadata_changed_while_version_same: {
    expected: ["metadata_target_missing"],
    why: "a changed timestamp of the same version is to be believed; TUF 1.0.31, 5.4.3.1, discards it, so the list of before stands",
  },
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
    const detail = ending?.is === "refused" ? ` (${ending.detail})` : "";
    return right ? [] : [`step ${index}: ${expected.join(" or ") || "installed"} was expected, ${found}${detail} was found`];
  });
  if (wrong.length > 0) return { is: "failed", detail: wrong.join("; ") };
  if (contradiction) return { is: "excluded", why: contradiction.why };
  return { is: "passed", endings: endings.map((ending) => (ending.is === "refused" ? ending.because : ending.is)) };
}

function expectedOf(name: string, { director, image }: OldStep): readonly DeploymentReason[] {
  const errors = [...director.errors, ...image.errors];
  if (errors.length === 0) return [];
  return closer[name] ?? errors.flatMap((error) => reasons[error.split("::")[0] ?? ""] ?? unknownError(error));
}

function unknownError(error: string): never {
  throw new Error(`The suite has a fault that no reason of ours stands for: ${error}.`);
}
