import { createHash, createPublicKey, type KeyObject, sign } from "node:crypto";
import { canonicalJson } from "@tenfold/base";
import { hashFor, publicKeyOf } from "../keys.ts";
import type { ReleaseSigner } from "../release.ts";
import { canonicalBytes, canonicalText } from "./canonical.ts";
import { type TufKey, tufKeyId, tufKeyOf } from "./key.ts";
import { type DelegatedRole, type MetaFile, type TargetFile, type TopRole, topRoles } from "./metadata.ts";

/** Something that signs metadata and releases: a key in a file, or one in a token that never gives it away. */
export type MetadataSigner = ReleaseSigner & {
  readonly key: TufKey /** The key's name, made once: a director signs thousands of times a second. */;
  readonly keyid: string;
};

/** A signer over a private key that this process holds: ed25519, or ECDSA on P-256. Throws `signing_key_unsupported` for others. */
export function metadataSigner(privateKey: KeyObject): MetadataSigner {
  const hash = hashFor(privateKey);
  return metadataSignerWith(createPublicKey(privateKey), (bytes) => sign(hash, bytes, privateKey));
}

/** A signer whose private half lies elsewhere. `sign` answers raw ed25519 or DER-coded ECDSA signatures over SHA-256. */
export function metadataSignerWith(publicHalf: KeyObject, signBytes: MetadataSigner["sign"]): MetadataSigner {
  const publicKey = publicKeyOf(publicHalf);
  const key = tufKeyOf(publicKey);
  return { key, keyid: tufKeyId(key), publicKey, sign: signBytes };
}

export type RoleSpec = { readonly keys: readonly TufKey[]; readonly threshold: number };

/** Times are milliseconds; metadata counts in seconds. */
export const metadataTime = (at: number): string => `${new Date(at).toISOString().slice(0, 19)}Z`;

const common = (type: string, { version, expires }: { version: number; expires: number }) => ({
  _type: type,
  spec_version: "1.0.31",
  version,
  expires: metadataTime(expires),
});

/** What a root says [TUF 4.3]. `signedAt` is ours: the latest time that only offline keys vouch for. */
export function makeRoot(wish: {
  version: number;
  expires: number;
  signedAt: number;
  roles: Readonly<Record<TopRole, RoleSpec>>;
}): object {
  const keys = new Map(topRoles.flatMap((role) => wish.roles[role].keys.map((key) => [tufKeyId(key), key] as const)));
  const roles = topRoles.map((role) => [role, roleOf(wish.roles[role])]);
  return {
    ...common("root", wish),
    consistent_snapshot: true,
    signedAt: metadataTime(wish.signedAt),
    keys: Object.fromEntries(keys),
    roles: Object.fromEntries(roles),
  };
}

const roleOf = ({ keys, threshold }: RoleSpec) => ({ keyids: [...new Set(keys.map(tufKeyId))], threshold });

export type TargetsWish = {
  version: number;
  expires: number;
  signedAt?: number;
  targets: Readonly<Record<string, TargetFile>>;
  delegations?: readonly (RoleSpec & Pick<DelegatedRole, "name" | "terminating"> & { paths: readonly string[] })[];
  /** Members beside the standard's. */
  extra?: Readonly<Record<string, string>>;
};

export function makeTargets(wish: TargetsWish): object {
  const { signedAt, delegations, extra = {}, targets } = wish;
  return {
    ...common("targets", wish),
    ...extra,
    ...(signedAt === undefined ? {} : { signedAt: metadataTime(signedAt) }),
    targets,
    ...(delegations === undefined ? {} : { delegations: delegationsOf(delegations) }),
  };
}

function delegationsOf(delegations: NonNullable<TargetsWish["delegations"]>): object {
  const keys = new Map(delegations.flatMap((one) => one.keys.map((key) => [tufKeyId(key), key] as const)));
  const roles = delegations.map((one) => ({ name: one.name, terminating: one.terminating, paths: one.paths, ...roleOf(one) }));
  return { keys: Object.fromEntries(keys), roles };
}

export const makeSnapshot = (wish: { version: number; expires: number; meta: Readonly<Record<string, MetaFile>> }): object => ({
  ...common("snapshot", wish),
  meta: wish.meta,
});

export const makeTimestamp = (wish: { version: number; expires: number; snapshot: MetaFile }): object => ({
  ...common("timestamp", wish),
  meta: { "snapshot.json": wish.snapshot },
});

/** How another role's file names this one: version, length and hash, so that nobody can put others together. */
export const metaFileOf = (text: string, version: number): MetaFile => ({
  version,
  length: Buffer.byteLength(text),
  hashes: { sha256: createHash("sha256").update(text).digest("hex") },
});

type Signature = { keyid: string; sig: string };

/** The file: what is said, with a signature of each signer. Names in order and no blanks, so that one content has one file. */
export async function signMetadata(signed: object, signers: readonly MetadataSigner[]): Promise<string> {
  const canonical = canonicalText(signed);
  return fileOf(signed, await signaturesOver(Buffer.from(canonical), signers), canonical);
}

/** Adds signatures to a file; a second one of the same key takes the place of its first. */
export async function addSignatures(text: string, signers: readonly MetadataSigner[]): Promise<string> {
  // The caller has read it as metadata before.
  const { signed, signatures } = JSON.parse(text) as { signed: object; signatures: Signature[] };
  const bytes = canonicalBytes(signed);
  const added = await signaturesOver(bytes, signers);
  const kept = signatures.filter(({ keyid }) => !added.some((one) => one.keyid === keyid));
  return fileOf(signed, [...kept, ...added], bytes.toString("utf8"));
}

async function signaturesOver(bytes: Buffer, signers: readonly MetadataSigner[]): Promise<Signature[]> {
  const signatures: Signature[] = [];
  for (const { keyid, sign: signBytes } of signers)
    signatures.push({ keyid, sig: Buffer.from(await signBytes(bytes)).toString("hex") });
  return signatures;
}

// The canonical form leaves control characters bare (a PEM has line ends), and is then no JSON that anybody could read.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are just what is looked for.
const isJson = (canonical: string): boolean => !/[\u0000-\u001f]/.test(canonical);

const fileOf = (signed: object, signatures: readonly Signature[], canonical: string): string =>
  `{"signatures":${JSON.stringify(signatures)},"signed":${isJson(canonical) ? canonical : canonicalJson(signed)}}`;
