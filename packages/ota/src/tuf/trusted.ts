import { createHash } from "node:crypto";
import { type Verifier, verifierOf } from "./key.ts";
import {
  type Envelope,
  type Hashes,
  type Keys,
  type MetaFile,
  mostBytes,
  type RoleKeys,
  type Root,
  readMetadata,
  type Snapshot,
  type Targets,
  type Timestamp,
} from "./metadata.ts";
import { attempt, type MetadataRefusal, refuse } from "./refusal.ts";

/** What is believed of one repository. Each step of the client's workflow takes one and gives the next; none changes it. */
export type Trusted = {
  readonly root: Envelope<Root>;
  readonly timestamp?: Envelope<Timestamp>;
  readonly snapshot?: Envelope<Snapshot>;
  /** By role: `targets`, and the delegated ones that were needed. */
  readonly targets: ReadonlyMap<string, Envelope<Targets>>;
};

export type Step = { is: "trusted"; trusted: Trusted } | MetadataRefusal;

const trust = (trusted: Trusted): Step => ({ is: "trusted", trusted });

/** Reads a file without believing it, for those who keep or show metadata. */
export function inspectMetadata<K extends keyof typeof mostBytes>(text: string, kind: K) {
  return attempt(() => ({ is: "read" as const, envelope: readMetadata(Buffer.from(text), kind) }));
}

/** [TUF 5.2] Begins with the root that came with the device. It must at least be signed as it asks itself. */
export function openTrusted(bytes: Uint8Array): Step {
  return attempt(() => {
    const root = readMetadata(bytes, "root");
    mustBeSigned(root, root.signed.roles.root, root.signed.keys);
    return trust({ root, targets: new Map() });
  });
}

/** [TUF 5.3.4 to 5.3.7] The next root: signed as the one before asks, and as it asks itself. Its expiry does not count yet. */
export function nextRoot(trusted: Trusted, bytes: Uint8Array): Step {
  return attempt(() => {
    const root = readMetadata(bytes, "root");
    const before = trusted.root.signed;
    mustBeSigned(root, before.roles.root, before.keys);
    mustBeSigned(root, root.signed.roles.root, root.signed.keys);
    // [TUF 5.3.5] Exactly the next: a root left out could be the one that took a stolen key away.
    if (root.signed.version !== before.version + 1)
      refuse("metadata_rollback", `Root ${before.version + 1} was asked for; the answer calls itself ${root.signed.version}.`);
    return trust({ root, targets: new Map() });
  });
}

/** [TUF 5.3.10] After the last root has been reached. A root that has ended says that nobody looks after the repository any more. */
export const freshRoot = (trusted: Trusted, now: number): Step => whileFresh(trusted, trusted.root.signed, now);

function whileFresh(trusted: Trusted, signed: Envelope["signed"], now: number): Step {
  return attempt(() => {
    mustBeFresh(signed, now);
    return trust(trusted);
  });
}

/** A stored timestamp: it only says what was seen before, and may have ended. */
export function recallTimestamp(trusted: Trusted, bytes: Uint8Array): Step {
  return attempt(() => {
    const timestamp = readMetadata(bytes, "timestamp");
    mustBeSigned(timestamp, trusted.root.signed.roles.timestamp, trusted.root.signed.keys);
    return trust({ ...trusted, timestamp });
  });
}

/**
 * [TUF 5.4] A timestamp that was just fetched. One of the version that is known changes nothing [5.4.3.1]; an older one, or one that
 * leads to an older snapshot, is a rollback.
 */
export function withTimestamp(trusted: Trusted, bytes: Uint8Array, now: number): Step {
  return attempt(() => {
    const timestamp = readMetadata(bytes, "timestamp");
    mustBeSigned(timestamp, trusted.root.signed.roles.timestamp, trusted.root.signed.keys);
    const known = trusted.timestamp;
    if (known && timestamp.signed.version === known.signed.version) {
      mustBeFresh(known.signed, now);
      return trust(trusted);
    }
    if (known) {
      // [TUF 5.4.3.1] An older timestamp is a rollback, even when its signature is good.
      mustNotGoBack("timestamp", timestamp.signed.version, known.signed.version);
      // [TUF 5.4.3.2]
      mustNotGoBack("snapshot", timestamp.signed.snapshot.version, known.signed.snapshot.version);
    }
    mustBeFresh(timestamp.signed, now);
    return trust({ ...trusted, timestamp });
  });
}

/** A stored snapshot: it tells which versions were seen, as long as today's root still knows its signer. */
export function recallSnapshot(trusted: Trusted, bytes: Uint8Array): Step {
  return attempt(() => {
    const snapshot = readMetadata(bytes, "snapshot");
    mustBeSigned(snapshot, trusted.root.signed.roles.snapshot, trusted.root.signed.keys);
    return trust({ ...trusted, snapshot });
  });
}

/** [TUF 5.5] The snapshot that the timestamp names: these bytes, this version, and nothing in it older or gone. */
export function withSnapshot(trusted: Trusted, bytes: Uint8Array, now: number): Step {
  return attempt(() => {
    const named = (trusted.timestamp ?? missing("timestamp")).signed.snapshot;
    const snapshot = readMetadata(bytes, "snapshot", named.length ?? mostBytes.snapshot);
    mustBeNamed("snapshot", bytes, named);
    mustBeSigned(snapshot, trusted.root.signed.roles.snapshot, trusted.root.signed.keys);
    mustHaveVersion("snapshot", snapshot.signed.version, named.version);
    for (const [name, { version }] of trusted.snapshot?.signed.meta ?? []) {
      const next = snapshot.signed.meta.get(name);
      // [TUF 5.5.5] A role that is gone would be a role without a lowest version.
      if (next === undefined) refuse("metadata_rollback", `The new snapshot no longer lists ${name}.`);
      mustNotGoBack(name, next.version, version);
    }
    mustBeFresh(snapshot.signed, now);
    return trust({ ...trusted, snapshot });
  });
}

/** The stored snapshot, when it is the one that the timestamp names now. It must not have ended. */
export function keptSnapshot(trusted: Trusted, now: number): Step | undefined {
  const { snapshot, timestamp } = trusted;
  if (snapshot === undefined || timestamp === undefined) return undefined;
  const named = timestamp.signed.snapshot;
  if (snapshot.signed.version !== named.version || !fits(Buffer.from(snapshot.text), named)) return undefined;
  return whileFresh(trusted, snapshot.signed, now);
}

export type Delegation = { readonly keys: Keys; readonly role: RoleKeys & { readonly name: string } };

/** Who may sign the top-level targets. */
export const topTargets = ({ root }: Trusted): Delegation => ({
  keys: root.signed.keys,
  role: { ...root.signed.roles.targets, name: "targets" },
});

/**
 * [TUF 5.6] A targets file, the top one or a delegated one, signed as its delegator asks and as the snapshot names it. A stored file
 * that the snapshot no longer names is refused like any other: the caller then fetches.
 */
export function withTargets(trusted: Trusted, bytes: Uint8Array, { now, by }: { now: number; by: Delegation }): Step {
  return attempt(() => {
    const { name } = by.role;
    const named = namedInSnapshot(trusted, name);
    const targets = readMetadata(bytes, "targets", named.length ?? mostBytes.targets);
    mustBeNamed(name, bytes, named);
    mustBeSigned(targets, by.role, by.keys);
    mustHaveVersion(name, targets.signed.version, named.version);
    mustBeFresh(targets.signed, now);
    return trust({ ...trusted, targets: new Map([...trusted.targets, [name, targets]]) });
  });
}

/** [TUF 5.6.7] A role that the snapshot does not list is not there, whoever delegates to it. */
export function namedInSnapshot({ snapshot }: Trusted, role: string): MetaFile {
  return (
    (snapshot ?? missing("snapshot")).signed.meta.get(`${role}.json`) ??
    refuse("metadata_missing", `The snapshot does not list ${role}.`)
  );
}

/** The verifiers of a role's keys, one for each key, not for each name of a key. */
export function verifiersOf({ keyids }: RoleKeys, keys: Keys): Map<string, Verifier> {
  const verifiers = keyids.flatMap((keyid) => {
    const key = keys.get(keyid);
    const verifier = key && verifierOf(key);
    return verifier ? [[keyid, verifier] as const] : [];
  });
  return new Map(verifiers);
}

/** How many different keys of the role have signed these bytes. [TUF 4.2.2] Keys count, not their names. */
export function signersOf(
  envelope: Pick<Envelope, "signatures" | "signedBytes" | "sentBytes">,
  role: RoleKeys,
  keys: Keys,
): Set<string> {
  // A key that has signed nothing here need not be read.
  const keyids = role.keyids.filter((keyid) => envelope.signatures.has(keyid));
  const verifiers = verifiersOf({ ...role, keyids }, keys);
  const signersOver = (bytes: Uint8Array): string[] => {
    const held = [...verifiers].filter(([keyid, verifier]) => verifier.verify(bytes, envelope.signatures.get(keyid) ?? ""));
    return held.map(([, { identity }]) => identity);
  };
  // Making the canonical form of a large file takes longer than all the rest, and ours are sent in it.
  const asSent = new Set(signersOver(envelope.sentBytes));
  if (asSent.size >= role.threshold || verifiers.size < role.threshold) return asSent;
  const canonical = envelope.signedBytes();
  return Buffer.compare(canonical, envelope.sentBytes) === 0 ? asSent : new Set([...asSent, ...signersOver(canonical)]);
}

function mustBeSigned(envelope: Envelope, role: RoleKeys, keys: Keys): void {
  const signers = signersOf(envelope, role, keys);
  if (signers.size < role.threshold)
    refuse(
      "metadata_signature_invalid",
      `${envelope.signed.type} ${envelope.signed.version} is signed by ${signers.size} of the ${role.threshold} keys that it needs.`,
    );
}

function mustBeFresh({ type, version, expires }: Envelope["signed"], now: number): void {
  if (expires <= now)
    refuse(
      "metadata_expired",
      `${type} ${version} ended at ${new Date(expires).toISOString()}; it is ${new Date(now).toISOString()}.`,
    );
}

function mustNotGoBack(name: string, offered: number, known: number): void {
  if (offered < known) refuse("metadata_rollback", `${name} ${offered} is older than ${known}, which was seen before.`);
}

function mustHaveVersion(name: string, found: number, named: number): void {
  if (found !== named) refuse("metadata_mismatch", `${name} ${named} was named; the file calls itself ${found}.`);
}

function mustBeNamed(name: string, bytes: Uint8Array, named: MetaFile): void {
  if (!fits(bytes, named)) refuse("metadata_mismatch", `${name} is not the file that was signed for: its length or hash differs.`);
}

const fits = (bytes: Uint8Array, { length, hashes }: MetaFile): boolean =>
  (length === undefined || bytes.byteLength <= length) && (hashes === undefined || hashesFit(bytes, hashes));

/** Every hash that is named must be one that is known here, and fit. */
export function hashesFit(bytes: Uint8Array, hashes: Hashes): boolean {
  const found = (algorithm: string) => createHash(algorithm).update(bytes).digest("hex");
  return Object.entries(hashes).every(
    ([algorithm, hash]) => (algorithm === "sha256" || algorithm === "sha512") && found(algorithm) === hash,
  );
}

const missing = (role: string): never => refuse("metadata_missing", `No ${role} is trusted yet.`);
