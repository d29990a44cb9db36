import { canonicalBytes } from "./canonical.ts";
import { readJson } from "./json.ts";
import type { TufKey } from "./key.ts";
import { hashesOf, integer, listOf, type Members, mapOf, optional, record, text, textAmong, time, truth } from "./read.ts";
import { refuse } from "./refusal.ts";

/** The keys that may sign a role, and how many of them must [TUF 4.2.2]. */
export type RoleKeys = { readonly keyids: readonly string[]; readonly threshold: number };
export type Keys = ReadonlyMap<string, TufKey>;
/** What one role says of another role's file. */
export type MetaFile = { readonly version: number; readonly length?: number; readonly hashes?: Hashes };
export type Hashes = Readonly<Record<string, string>>;
/** A file that may be installed. `custom` is the repository's own; nothing here reads it. */
export type TargetFile = { readonly length: number; readonly hashes: Hashes; readonly custom?: Members };

export type DelegatedRole = RoleKeys & {
  readonly name: string;
  readonly terminating: boolean;
  readonly paths?: readonly string[];
  readonly pathHashPrefixes?: readonly string[];
};

type Common = { readonly version: number /** Milliseconds since 1970. */; readonly expires: number; readonly members: Members };
export const topRoles = ["root", "timestamp", "snapshot", "targets"] as const;
export type TopRole = (typeof topRoles)[number];
export type Root = Common & {
  readonly type: "root";
  readonly consistentSnapshot: boolean;
  readonly keys: Keys;
  readonly roles: Readonly<Record<TopRole, RoleKeys>>;
};
export type Timestamp = Common & { readonly type: "timestamp"; readonly snapshot: MetaFile };
export type Snapshot = Common & { readonly type: "snapshot"; readonly meta: ReadonlyMap<string, MetaFile> };
export type Targets = Common & {
  readonly type: "targets";
  readonly targets: ReadonlyMap<string, TargetFile>;
  readonly delegations?: { readonly keys: Keys; readonly roles: readonly DelegatedRole[] };
};
type Signed = Root | Timestamp | Snapshot | Targets;
type Kind = Signed["type"];

/** A file of metadata, read but not believed: what it says, who claims to have signed it, and the bytes that they would have signed. */
export type Envelope<S extends Signed = Signed> = {
  readonly signed: S;
  readonly signatures: ReadonlyMap<string, string>;
  readonly signedBytes: () => Uint8Array;
  /** The same as they were sent: canonical already where the file is one of ours. What is signed letter for letter is signed. */
  readonly sentBytes: Uint8Array;
  /** The file, letter for letter: what hashes are taken of, and what is kept. */
  readonly text: string;
};

/** Most bytes of a file for which nothing signed says a length. */
export const mostBytes = { root: 512_000, timestamp: 16_384, snapshot: 4_000_000, targets: 64_000_000 } as const satisfies Record<
  Kind,
  number
>;

const bodies: { readonly [K in Kind]: (members: Members, common: Common) => Extract<Signed, { type: K }> } = {
  root: rootOf,
  timestamp: (members, common) => ({ type: "timestamp", ...common, snapshot: snapshotMeta(members) }),
  snapshot: (members, common) => ({ type: "snapshot", ...common, meta: metaOf(members) }),
  targets: targetsOf,
};

/** Reads one role's file. Refuses with `metadata_malformed` or `metadata_too_large`; believes nothing yet. */
export function readMetadata<K extends Kind>(bytes: Uint8Array, kind: K, maxBytes: number = mostBytes[kind]) {
  if (bytes.byteLength > maxBytes) refuse("metadata_too_large", `${kind} has more than the ${maxBytes} bytes that are read of it.`);
  const { value, text: file, span } = readJson(bytes);
  const envelope = record(value, kind);
  const members = record(envelope.signed, `${kind}.signed`);
  textAmong(members._type, [kind], `${kind}._type`);
  // [TUF 5.3, 4.3] Another major version may mean other things by the same words.
  if (!/^1\.\d+(\.\d+)?$/.test(text(members.spec_version, `${kind}.spec_version`)))
    refuse("metadata_malformed", `${kind} follows TUF ${members.spec_version}; this reader knows 1.x.`);
  const common = {
    version: integer(members.version, `${kind}.version`, 1),
    expires: time(members.expires, `${kind}.expires`),
    members,
  };
  return {
    signed: bodies[kind](members, common),
    signatures: signaturesOf(envelope.signatures, kind),
    signedBytes: () => canonicalBytes(members),
    sentBytes: span("signed") ?? Buffer.alloc(0),
    text: file,
  } satisfies Envelope;
}

/** [TUF 4.2.1] A keyid may stand once; a second signature under the same name is a trick, not a spare. */
function signaturesOf(value: unknown, kind: string): ReadonlyMap<string, string> {
  const signatures = new Map<string, string>();
  for (const one of listOf(value, `${kind}.signatures`, 256)) {
    const members = record(one, `${kind}.signatures`);
    const keyid = text(members.keyid, `${kind}.signatures.keyid`);
    if (signatures.has(keyid)) refuse("metadata_malformed", `${kind} is signed twice under the key id ${keyid.slice(0, 16)}….`);
    signatures.set(keyid, text(members.sig, `${kind}.signatures.sig`));
  }
  return signatures;
}

function rootOf(members: Members, common: Common): Root {
  const roles = record(members.roles, "root.roles");
  const role = (name: TopRole): RoleKeys => roleKeys(record(roles[name], `root.roles.${name}`), `root.roles.${name}`);
  return {
    type: "root",
    ...common,
    consistentSnapshot:
      members.consistent_snapshot === undefined ? false : truth(members.consistent_snapshot, "root.consistent_snapshot"),
    keys: keysOf(members.keys, "root.keys"),
    roles: { root: role("root"), timestamp: role("timestamp"), snapshot: role("snapshot"), targets: role("targets") },
  };
}

function roleKeys(members: Members, where: string): RoleKeys {
  const keyids = listOf(members.keyids, `${where}.keyids`, 256).map((keyid) => text(keyid, `${where}.keyids`));
  if (new Set(keyids).size !== keyids.length) refuse("metadata_malformed", `${where} lists a key id twice.`);
  return { keyids, threshold: integer(members.threshold, `${where}.threshold`, 1) };
}

function keysOf(value: unknown, where: string): Keys {
  return mapOf(value, where, (one, at) => {
    const members = record(one, at);
    const material = text(record(members.keyval, `${at}.keyval`).public, `${at}.keyval.public`);
    return {
      keytype: text(members.keytype, `${at}.keytype`),
      scheme: text(members.scheme, `${at}.scheme`),
      keyval: { public: material },
    };
  });
}

function metaFile(value: unknown, where: string): MetaFile {
  const members = record(value, where);
  return {
    version: integer(members.version, `${where}.version`, 1),
    ...optional("length", members.length, (length) => integer(length, `${where}.length`, 1)),
    ...optional("hashes", members.hashes, (hashes) => hashesOf(hashes, `${where}.hashes`)),
  };
}

const metaOf = (members: Members): ReadonlyMap<string, MetaFile> => mapOf(members.meta, "meta", metaFile);

function snapshotMeta(members: Members): MetaFile {
  return metaFile(record(members.meta, "timestamp.meta")["snapshot.json"], "timestamp.meta.snapshot.json");
}

function targetsOf(members: Members, common: Common): Targets {
  const targets = mapOf(members.targets, "targets", targetFile);
  return {
    type: "targets",
    ...common,
    targets,
    ...optional("delegations", members.delegations, delegationsOf),
  };
}

/** The object itself, once it has been looked over: a hundred thousand copies would cost more than the look. */
function targetFile(value: unknown, where: string): TargetFile {
  const members = record(value, where);
  integer(members.length, "targets.length", 0);
  hashesOf(members.hashes, "targets.hashes");
  if (members.custom !== undefined) record(members.custom, "targets.custom");
  // Each of its members was just seen to be what the type says.
  return members as TargetFile;
}

function delegationsOf(value: unknown): NonNullable<Targets["delegations"]> {
  const members = record(value, "delegations");
  // [TUF 4.5] An optional form that nothing here makes. Skipping it would hide targets, so the file is refused.
  if (members.succinct_roles !== undefined) refuse("metadata_malformed", "Succinct roles are not read here.");
  const roles = listOf(members.roles, "delegations.roles", 4_096).map(delegatedRole);
  if (new Set(roles.map(({ name }) => name)).size !== roles.length)
    refuse("metadata_malformed", "A role is delegated to twice in one file.");
  return { keys: keysOf(members.keys, "delegations.keys"), roles };
}

function delegatedRole(value: unknown): DelegatedRole {
  const members = record(value, "delegations.roles");
  const name = text(members.name, "delegations.roles.name");
  if (name === "" || (topRoles as readonly string[]).includes(name))
    refuse("metadata_malformed", `"${name}" is no name for a delegated role.`);
  const texts = (list: unknown) => listOf(list, `${name}.paths`, 4_096).map((one) => text(one, `${name}.paths`));
  const role = {
    name,
    ...roleKeys(members, `delegations.${name}`),
    terminating: truth(members.terminating, `delegations.${name}.terminating`),
    ...optional("paths", members.paths, texts),
    ...optional("pathHashPrefixes", members.path_hash_prefixes, texts),
  };
  if ((members.paths === undefined) === (members.path_hash_prefixes === undefined))
    refuse("metadata_malformed", `${name} must have either paths or path_hash_prefixes.`);
  return role;
}
