import { createHash } from "node:crypto";
import { canonicalJson, compareVersions } from "@tenfold/base";
import type { ReleaseStatement } from "@tenfold/contracts";
import { type PublicKey, publicKeyOf } from "../keys.ts";
import { tufKeyId, tufKeyOf, verifierOf } from "./key.ts";
import type { Envelope, TargetFile, Targets } from "./metadata.ts";
import { integer, listOf, type Members, optional, record, text, truth } from "./read.ts";
import { attempt, type MetadataRefusal, refuse } from "./refusal.ts";
import { type Delegation, type Trusted, verifiersOf } from "./trusted.ts";
import type { FoundTarget } from "./updater.ts";

/** What the image repository says of an image beside length and hash. Signed by keys that no server holds. */
export type ImageCustom = {
  /** Models that may run it; empty means any. */
  readonly hardwareIds: readonly string[];
  /** Grows with every release of a name (Uptane's release counter). */
  readonly releaseCounter: number;
  /** SHA-256 over the canonical JSON of the release statement that the artifact was signed with. */
  readonly statement: string;
  /** From now on no device goes below this version of the same name. */
  readonly securityFloor?: string;
};

/** What the director says to one device about one image. */
export type DirectorCustom = {
  readonly ecuIdentifier: string;
  /** The device's hardware as the director knows it: its model. */
  readonly hardwareId?: string;
  /** The image's, as the image repository lists them; left out by directors from before there was this member. */
  readonly hardwareIds?: readonly string[];
  readonly releaseCounter: number;
  readonly deployment: string;
  readonly rollback: boolean;
};

/** Where a release stands among the targets: `{name}/{version}`. */
export const targetPath = ({ name, version }: { name: string; version: string }): string => `${name}/${version}`;
/** Names and versions that are safe in a path, in an address and in a file's name. */
export const targetNamePattern = /^[A-Za-z0-9](?:[A-Za-z0-9._+~-]*[A-Za-z0-9])?$/;
const nameOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));

export const statementHash = (statement: ReleaseStatement): string =>
  createHash("sha256").update(canonicalJson(statement)).digest("hex");

export function readImageCustom(custom: Members | undefined): ImageCustom {
  const members = record(custom, "targets.custom");
  return {
    hardwareIds: readHardwareIds(members.hardwareIds),
    releaseCounter: integer(members.releaseCounter, "custom.releaseCounter", 0),
    statement: text(members.statement, "custom.statement"),
    ...optional("securityFloor", members.securityFloor, (floor) => text(floor, "custom.securityFloor")),
  };
}

const readHardwareIds = (value: unknown): string[] =>
  listOf(value, "custom.hardwareIds", 64).map((id) => text(id, "custom.hardwareIds"));

function readDirectorCustom(custom: Members | undefined): DirectorCustom {
  const members = record(custom, "targets.custom");
  return {
    ecuIdentifier: text(members.ecuIdentifier, "custom.ecuIdentifier"),
    releaseCounter: integer(members.releaseCounter, "custom.releaseCounter", 0),
    deployment: text(members.deployment, "custom.deployment"),
    rollback: truth(members.rollback, "custom.rollback"),
    ...optional("hardwareId", members.hardwareId, (id) => text(id, "custom.hardwareId")),
    ...optional("hardwareIds", members.hardwareIds, readHardwareIds),
  };
}

/** What the director wants installed: one image, for this device, in one deployment. */
export type Direction = DirectorCustom & { readonly path: string; readonly file: TargetFile };

/** Who reads metadata: a device's name, and its hardware identifier, which is its model. */
export type Reader = { readonly device: string; readonly hardwareId: string };

/**
 * [Uptane 5.4.4.4, director's targets] Reads what the director says to a device: nothing, or one image. Refused are delegations, another
 * device's metadata (also when it says nothing: an empty answer can be replayed like any other), more than one image for one device, and
 * one for other hardware.
 */
export function readDirection(
  trusted: Trusted,
  { device, hardwareId: own }: Reader,
): { is: "directed"; direction: Direction | undefined } | MetadataRefusal {
  return attempt(() => {
    const targets = (trusted.targets.get("targets") ?? refuse("metadata_missing", "The director's targets are not trusted yet."))
      .signed;
    if (targets.delegations) refuse("metadata_malformed", "A director delegates to nobody.");
    if (targets.members.deviceId !== device)
      refuse("metadata_wrong_device", `The metadata is for ${String(targets.members.deviceId)}; this is ${device}.`);
    const directions = [...targets.targets].map(([path, file]): Direction => ({ path, file, ...readDirectorCustom(file.custom) }));
    const stranger = directions.find(({ ecuIdentifier }) => ecuIdentifier !== device);
    if (stranger) refuse("metadata_wrong_device", `${stranger.path} is directed to ${stranger.ecuIdentifier}; this is ${device}.`);
    for (const { path, hardwareId = own, hardwareIds = [] } of directions) {
      if (hardwareId !== own) refuse("metadata_wrong_hardware", `${path} is directed to hardware ${hardwareId}; this is ${own}.`);
      needHardware({ path, hardwareIds, own });
    }
    if (directions.length > 1) refuse("metadata_malformed", `${directions.length} images are named for one device.`);
    return { is: "directed" as const, direction: directions[0] };
  });
}

type Hardware = { path: string; hardwareIds: readonly string[]; own: string };

/** [Uptane 5.4.4.5] An image without hardware identifiers is for any hardware. */
function needHardware({ path, hardwareIds, own }: Hardware): void {
  if (hardwareIds.length > 0 && !hardwareIds.includes(own))
    refuse("metadata_wrong_hardware", `${path} is for hardware ${hardwareIds.join(", ")}; this is ${own}.`);
}

/**
 * [Uptane 5.4.4.6, 5.4.4.7] Both repositories must say the same of an image: length, hashes, release counter, hardware; and that must be
 * the device's. The director alone, with every key that is online, can only choose among what offline keys have signed.
 */
export function agreed(
  direction: Direction,
  image: FoundTarget,
  own: string,
): { is: "agreed"; custom: ImageCustom } | MetadataRefusal {
  return attempt(() => {
    const custom = readImageCustom(image.file.custom);
    const differ = (what: string): never =>
      refuse(
        "metadata_repositories_disagree",
        `The director and the image repository differ about the ${what} of ${direction.path}.`,
      );
    if (direction.file.length !== image.file.length) differ("length");
    if (!sameHashes(direction.file.hashes, image.file.hashes)) differ("hash");
    if (direction.releaseCounter !== custom.releaseCounter) differ("release counter");
    const { hardwareIds, path } = direction;
    if (hardwareIds !== undefined && !sameMembers(hardwareIds, custom.hardwareIds)) differ("hardware");
    needHardware({ path, hardwareIds: custom.hardwareIds, own });
    return { is: "agreed" as const, custom };
  });
}

const sameMembers = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((one) => b.includes(one));

function sameHashes(a: TargetFile["hashes"], b: TargetFile["hashes"]): boolean {
  const algorithms = ["sha256", "sha512"].filter((algorithm) => a[algorithm] !== undefined && b[algorithm] !== undefined);
  return algorithms.length > 0 && algorithms.every((algorithm) => a[algorithm] === b[algorithm]);
}

/** An image as the image repository lists it. */
export type ListedImage = ImageCustom & { readonly path: string; readonly length: number; readonly sha256: string };

/** Every image of a targets file, or why one of them could never be installed: a device would only find out later. */
export function listImages(targets: Targets): { is: "listed"; images: ListedImage[] } | MetadataRefusal {
  return attempt(() => {
    const images = [...targets.targets].map(([path, { length, hashes, custom }]) => {
      const parts = path.split("/");
      if (parts.length !== 2 || !parts.every((part) => targetNamePattern.test(part)))
        refuse("metadata_malformed", `"${path}" is no target's path: name/version, of letters, digits and . _ + ~ -.`);
      const sha256 = hashes.sha256 ?? "";
      if (!/^[0-9a-f]{64}$/.test(sha256)) refuse("metadata_malformed", `${path} has no SHA-256.`);
      return { path, length, sha256, ...readImageCustom(custom) };
    });
    return { is: "listed" as const, images };
  });
}

/** The lowest version of each name, as the listed images ask for it; `known` is what was learned before and never sinks. */
export function raiseFloors(
  known: Readonly<Record<string, string>>,
  targets: Envelope<Targets> | undefined,
  covers: (path: string) => boolean = () => true,
): Readonly<Record<string, string>> {
  const floors = new Map(Object.entries(known));
  for (const [path, { custom }] of targets?.signed.targets ?? []) {
    const floor = custom?.securityFloor;
    if (typeof floor !== "string" || !covers(path)) continue;
    const name = nameOf(path);
    const before = floors.get(name);
    if (before === undefined || compareVersions(floor, before) > 0) floors.set(name, floor);
  }
  return Object.fromEntries(floors);
}

/** The release counter of an image that is listed with this hash, if one is. */
export function counterOf(sha256: string, targets: Envelope<Targets> | undefined): number | undefined {
  for (const { hashes, custom } of targets?.signed.targets.values() ?? [])
    if (hashes.sha256 === sha256 && typeof custom?.releaseCounter === "number") return custom.releaseCounter;
  return undefined;
}

/** Whether one of these keys has signed the file too, as one who vouches: the file's own roles need not know it. */
export function vouchedBy(
  { signatures, signedBytes }: Pick<Envelope, "signatures" | "signedBytes">,
  keys: readonly PublicKey[],
): boolean {
  const bytes = signedBytes();
  return keys.some((key) => {
    const tufKey = tufKeyOf(key);
    return verifierOf(tufKey)?.verify(bytes, signatures.get(tufKeyId(tufKey)) ?? "") === true;
  });
}

/** Whose signature an image's release needs: the keys of the role that lists it. */
export function releaseTrustOf({ role, keys }: Delegation): { trustedKeys: PublicKey[]; threshold: number } {
  const usable = [...verifiersOf(role, keys).values()].filter(({ key }) => key.asymmetricKeyType !== "rsa");
  return { trustedKeys: usable.map(({ key }) => publicKeyOf(key)), threshold: role.threshold };
}
