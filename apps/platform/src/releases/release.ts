import { canonicalJson } from "@tenfold/base";
import type { Release, SignedRelease, SigningKey } from "@tenfold/contracts";
import { type PublicKey, readPublicKey, verifyRelease } from "@tenfold/ota";

/** A release as it is stored. Times are milliseconds since 1970. */
export type StoredRelease = {
  id: string;
  name: string;
  version: string;
  models: string[];
  artifact: { sha256: string; size: number; createdAt: number };
  envelope: SignedRelease;
  signedBy: string[];
  notes: string;
  retired: boolean;
  createdAt: number;
};

export type StoredKey = { keyid: string; name: string; publicKeyPem: string; createdAt: number; revokedAt?: number };

/** Whether a rollout may hand out a release now. */
export type Usability = { is: "usable" } | { is: "unusable"; because: "retired" | "signer_revoked"; detail: string };

/** Fails closed: what was trusted when it was made must still be trusted by a key that is not revoked. */
export function usabilityOf(release: StoredRelease, keys: readonly StoredKey[]): Usability {
  const name = `Release ${release.name} ${release.version}`;
  if (release.retired) return { is: "unusable", because: "retired", detail: `${name} is retired.` };
  const verdict = verifyRelease(release.envelope, { trustedKeys: trustedAmong(keys) });
  return verdict.is === "trusted"
    ? { is: "usable" }
    : { is: "unusable", because: "signer_revoked", detail: `${name} is signed by no key that still counts.` };
}

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

/** True when both envelopes say the same, so that registering one twice is no conflict. */
export const saysTheSame = (a: SignedRelease, b: SignedRelease): boolean => canonicalJson(a.signed) === canonicalJson(b.signed);

export function releaseView(release: StoredRelease, devices: number): Release {
  const { artifact, createdAt, ...rest } = release;
  return { ...rest, artifact: { ...artifact, createdAt: iso(artifact.createdAt) }, devices, createdAt: iso(createdAt) };
}

export function keyView({ revokedAt, createdAt, ...key }: StoredKey): SigningKey {
  return { ...key, createdAt: iso(createdAt), ...(revokedAt === undefined ? {} : { revokedAt: iso(revokedAt) }) };
}

const iso = (at: number): string => new Date(at).toISOString();
