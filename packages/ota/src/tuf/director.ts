import type { TargetFile } from "./metadata.ts";
import { type MetadataSigner, makeSnapshot, makeTargets, makeTimestamp, metaFileOf, signMetadata } from "./sign.ts";
import type { DirectorCustom } from "./uptane.ts";

/** One image that a device is to install now. */
export type DirectedImage = {
  readonly path: string;
  readonly length: number;
  readonly sha256: string;
  readonly custom: Omit<DirectorCustom, "ecuIdentifier">;
};

/** What the director has to say to one device. The files share a version and an end. */
export type DirectorWish = {
  readonly device: string;
  readonly image: DirectedImage | undefined;
  readonly version: number;
  /** Milliseconds since 1970. */
  readonly expires: number;
};

export type DirectorSet = { readonly targets: string; readonly snapshot: string; readonly timestamp: string };

/** Signs a device's own metadata: targets, snapshot and timestamp. The device is named also where there is nothing to install. */
export async function signDirectorSet(
  { device, image, version, expires }: DirectorWish,
  signer: MetadataSigner,
): Promise<DirectorSet> {
  const signers = [signer];
  const listed = image === undefined ? {} : { [image.path]: targetOf(device, image) };
  const targets = await signMetadata(makeTargets({ version, expires, extra: { deviceId: device }, targets: listed }), signers);
  const meta = { "targets.json": metaFileOf(targets, version) };
  const snapshot = await signMetadata(makeSnapshot({ version, expires, meta }), signers);
  const timestamp = await signMetadata(makeTimestamp({ version, expires, snapshot: metaFileOf(snapshot, version) }), signers);
  return { targets, snapshot, timestamp };
}

const targetOf = (device: string, { length, sha256, custom }: DirectedImage): TargetFile => ({
  length,
  hashes: { sha256 },
  custom: { ...custom, ecuIdentifier: device },
});
