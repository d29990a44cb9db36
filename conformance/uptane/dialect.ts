import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { canonicalBytes } from "../../packages/ota/src/tuf/canonical.ts";
import { type TufKey, tufKeyId } from "../../packages/ota/src/tuf/key.ts";

/**
 * The dialect of 2017 in which the Uptane vectors are written, brought into today's form (TUF 1.0.31) and signed anew. Whatever was
 * wrong in the old form is wrong in the new one, and nothing else: what held there holds here, what did not hold does not.
 */
export type Members = Readonly<Record<string, unknown>>;
export type OldSignature = { readonly keyid: string; readonly method?: string; readonly sig: string };
export type OldFile = { readonly signed: Members; readonly signatures: readonly OldSignature[] };

/** One of the suite's own key pairs. */
export type SuiteKey = {
  /** SHA-256 over the canonical form of the public key's text: the name in the old dialect. */
  readonly oldId: string;
  readonly id: string;
  readonly key: TufKey;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
};
export type SuiteKeys = ReadonlyMap<string, SuiteKey>;

/** Reads `keys/ed25519-N.priv`: hex of the seed and, after it, of the public half. */
export function suiteKey(pair: string): SuiteKey {
  const seed = Buffer.from(pair.trim().slice(0, 64), "hex");
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const publicKey = createPublicKey(privateKey);
  const hex = publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("hex");
  const key: TufKey = { keytype: "ed25519", scheme: "ed25519", keyval: { public: hex } };
  return { oldId: hashOf("sha256", canonicalBytes(hex)), id: tufKeyId(key), key, publicKey, privateKey };
}

export const hashOf = (algorithm: string, bytes: Uint8Array): string => createHash(algorithm).update(bytes).digest("hex");

const isMembers = (value: unknown): value is Members => typeof value === "object" && value !== null && !Array.isArray(value);
export const membersOf = (value: unknown): Members => (isMembers(value) ? value : {});
/** Each member through `change`. */
export const eachMember = (value: unknown, change: (one: Members, name: string) => readonly [string, unknown]): Members =>
  Object.fromEntries(Object.entries(membersOf(value)).map(([name, one]) => change(membersOf(one), name)));

/** What a file says, in today's words. Types that are nobody's stay nobody's, and names of no key stay so. */
export function translateSigned({ _type, ...signed }: Members, keys: SuiteKeys): Members {
  const idOf = (id: unknown): unknown => keys.get(String(id))?.id ?? id;
  const roleOf = (role: Members): Members => ({ ...role, keyids: listOf(role.keyids).map(idOf) });
  const namedKey = (key: Members, name: string) => [String(idOf(name)), { ...key, scheme: key.keytype }] as const;
  const delegations = membersOf(signed.delegations);
  return {
    ...signed,
    _type: String(_type).toLowerCase(),
    spec_version: "1.0.31",
    ...(signed.keys === undefined ? {} : { keys: eachMember(signed.keys, namedKey) }),
    ...(signed.roles === undefined ? {} : { roles: eachMember(signed.roles, (role, name) => [name, roleOf(role)]) }),
    ...(signed.delegations === undefined
      ? {}
      : {
          delegations: {
            keys: eachMember(delegations.keys, namedKey),
            roles: listOf(delegations.roles).map((role) => roleOf(membersOf(role))),
          },
        }),
  };
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The file with `signed` in the place of what it said: each signature that held is made anew, each other one is made and spoilt. */
export function signAnew({ signed: before, signatures }: OldFile, signed: Members, keys: SuiteKeys): string {
  const [old, bytes] = [canonicalBytes(before), canonicalBytes(signed)];
  const renewed = signatures.map(({ keyid, sig }) => {
    const known = keys.get(keyid);
    if (known === undefined) return { keyid, sig };
    const made = sign(null, bytes, known.privateKey).toString("hex");
    const held = verify(null, old, known.publicKey, Buffer.from(sig, "hex"));
    return { keyid: known.id, sig: held ? made : spoilt(made) };
  });
  return JSON.stringify({ signatures: renewed, signed });
}

/** How one file names another, carried over: a hash that fitted fits again, and a length that was wrong is wrong by as much. */
export function translateMeta(meta: Members, old: OldFile | undefined, text: string | undefined): Members {
  if (old === undefined || text === undefined) return meta;
  const [before, after] = [canonicalBytes(old), Buffer.from(text)];
  const hashes = Object.entries(membersOf(meta.hashes)).map(([algorithm, hash]) => {
    const made = hashOf(algorithm, after);
    return [algorithm, hash === hashOf(algorithm, before) ? made : spoilt(made)];
  });
  return {
    ...meta,
    ...(meta.length === undefined ? {} : { length: Number(meta.length) - before.byteLength + after.byteLength }),
    ...(meta.hashes === undefined ? {} : { hashes: Object.fromEntries(hashes) }),
  };
}

const spoilt = (hex: string): string => `${hex.startsWith("0") ? "1" : "0"}${hex.slice(1)}`;
