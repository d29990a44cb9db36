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
    const followed = await follow(trust, source, {
      device: player.device,
      model: player.model,
      running: undefined,
      now: player.now,
    });
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
