import { canonicalJson } from "@tenfold/base";
import type { Artifact, Release, ReleaseChannel, ReleaseStatement, SignedRelease, SigningKey } from "@tenfold/contracts";
import { type PublicKey, readPublicKey, type Trust, verifyRelease } from "@tenfold/ota";
import type { Standing } from "./deps.ts";

/** A release as it is stored. Times are milliseconds since 1970. */
export type StoredRelease = {
  id: string;
  name: string;
  version: string;
  models: string[];
  artifact: { sha256: string; size: number; createdAt: number; damagedAt?: number };
  envelope: SignedRelease;
  signedBy: string[];
  notes: string;
  channel: ReleaseChannel;
  /** When a rollout first took it. */
  usedAt?: number;
  retired?: Retirement;
  createdAt: number;
};

export type Retirement = { at: number; by: string; because: string };

export type StoredKey = { keyid: string; name: string; publicKeyPem: string; createdAt: number; revokedAt?: number };

/** Whether a rollout may hand out a release now. */
export type Usability =
  | { is: "usable" }
  | { is: "unusable"; because: "retired" | "signer_revoked" | "unlisted" | "damaged"; detail: string };

/** What mends an artifact whose stored bytes are not its own. */
export const mending = "Upload the same file again: tenfold artifact push FILE. Then look at the disk.";

/** Fails closed: what was trusted when it was made must still be trusted by a key that is not revoked. */
export function usabilityOf(release: StoredRelease, keys: readonly StoredKey[], standing: Standing): Usability {
  const name = `Release ${release.name} ${release.version}`;
  if (release.retired)
    return {
      is: "unusable",
      because: "retired",
      detail: `${name} is retired: ${release.retired.because || "no reason was given"}.`,
    };
  if (release.artifact.damagedAt !== undefined)
    return {
      is: "unusable",
      because: "damaged",
      detail: `${name} cannot be handed out: the stored bytes of its artifact are damaged. ${mending}`,
    };
  if (standing.is === "unlisted")
    return { is: "unusable", because: "unlisted", detail: `${standing.detail} No device would take ${name}.` };
  const verdict = verifyRelease(release.envelope, trustFor(standing, keys));
  return verdict.is === "trusted"
    ? { is: "usable" }
    : { is: "unusable", because: "signer_revoked", detail: `${name} is signed by no key that still counts.` };
}

/** Whose signatures a release needs: those of the role that lists it, or of a registered key where there is no image repository. */
export const trustFor = (standing: Exclude<Standing, { is: "unlisted" }>, keys: readonly StoredKey[]): Trust =>
  standing.is === "listed" ? standing.trust : { trustedKeys: trustedAmong(keys) };

export const trustedAmong = (keys: readonly StoredKey[]): PublicKey[] =>
  keys.filter((key) => key.revokedAt === undefined).map((key) => readPublicKey(key.publicKeyPem));

/** What runs on a device, as far as it says. */
export type RunningFirmware = { version: string; hash?: string | undefined };

/**
 * The release that a device runs: by the hash of its image, or by version when it reports no hash. A device with a hash that belongs to
 * no release runs something of its own, whatever it calls it. Of several releases with the same bytes, the newest.
 */
export function releaseRunning(firmware: RunningFirmware, releases: readonly StoredRelease[]): StoredRelease | undefined {
  const fits = (release: StoredRelease) => runs(firmware, { version: release.version, sha256: release.artifact.sha256 });
  return releases.filter(fits).toSorted((a, b) => b.createdAt - a.createdAt)[0];
}

/** True when this firmware is that release. */
export const runs = ({ version, hash }: RunningFirmware, release: { version: string; sha256: string }): boolean =>
  hash === undefined ? version === release.version : hash === release.sha256;

/**
 * What a second statement under a name and version says otherwise; undefined where registering it again is no conflict. When it was signed
 * does not count: a pipeline that runs again signs again.
 */
export function differenceOf(known: ReleaseStatement, other: ReleaseStatement): string | undefined {
  if (known.artifact.sha256 !== other.artifact.sha256)
    return `other bytes: sha256 ${known.artifact.sha256}, and this one has ${other.artifact.sha256}`;
  const rest = ({ signedAt: _, ...said }: ReleaseStatement) => canonicalJson(said);
  return rest(known) === rest(other)
    ? undefined
    : "the same bytes and another statement (models, hardware, minimum version or stepping stones)";
}

export const artifactView = ({ sha256, size, createdAt, damagedAt }: StoredRelease["artifact"]): Artifact => ({
  sha256,
  size,
  createdAt: iso(createdAt),
  ...(damagedAt === undefined ? {} : { damagedAt: iso(damagedAt) }),
});

export function releaseView(release: StoredRelease, devices: number): Release {
  const { artifact, createdAt, usedAt, retired, ...rest } = release;
  const { hardwareRevisions, minimumVersion, mustPassThrough } = release.envelope.signed;
  return {
    ...rest,
    ...(hardwareRevisions ? { hardwareRevisions } : {}),
    ...(minimumVersion ? { minimumVersion } : {}),
    ...(mustPassThrough ? { mustPassThrough } : {}),
    artifact: artifactView(artifact),
    devices,
    retired: retired !== undefined,
    ...(retired ? { retirement: { ...retired, at: iso(retired.at) } } : {}),
    ...(usedAt === undefined ? {} : { usedAt: iso(usedAt) }),
    createdAt: iso(createdAt),
  };
}

export function keyView({ revokedAt, createdAt, ...key }: StoredKey): SigningKey {
  return { ...key, createdAt: iso(createdAt), ...(revokedAt === undefined ? {} : { revokedAt: iso(revokedAt) }) };
}

const iso = (at: number): string => new Date(at).toISOString();
