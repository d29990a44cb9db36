import { constants, createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import type { PublicKey } from "../keys.ts";
import { canonicalBytes } from "./canonical.ts";

/** A key as metadata names it [TUF 4.2.3]. Unknown members are kept: they are part of what is signed. */
export type TufKey = { readonly keytype: string; readonly scheme: string; readonly keyval: { readonly public: string } };

/** A public key that signatures are held against. `identity` tells two keys apart by their bytes, whatever they are called. */
export type Verifier = { readonly identity: string; readonly key: KeyObject; verify(bytes: Uint8Array, sig: string): boolean };

/** The key's name [TUF 4.2.3]: SHA-256 over the canonical form of the key object. */
export const tufKeyId = (key: TufKey): string => createHash("sha256").update(canonicalBytes(key)).digest("hex");

/** A public key as metadata names it: ed25519 as raw hex, ECDSA on P-256 as PEM. */
export function tufKeyOf({ key, pem }: PublicKey): TufKey {
  if (key.asymmetricKeyType !== "ed25519") return { keytype: "ecdsa", scheme: "ecdsa-sha2-nistp256", keyval: { public: pem } };
  const raw = key.export({ type: "spki", format: "der" }).subarray(ed25519Spki.length);
  return { keytype: "ed25519", scheme: "ed25519", keyval: { public: raw.toString("hex") } };
}

const ed25519Spki = Buffer.from("302a300506032b6570032100", "hex");
const signatureDigits = /^(?:[0-9a-f]{2})+$/;

/**
 * The verifier of a key, or undefined for one that cannot be used here: an unknown kind, or bytes that are no such key. Such a key
 * does not spoil the metadata that lists it; it only never signs anything.
 */
export function verifierOf({ keytype, scheme, keyval }: TufKey): Verifier | undefined {
  const read = readers[`${keytype} ${scheme}`];
  try {
    return read?.(keyval.public);
  } catch {
    return undefined;
  }
}

const readers: Record<string, (material: string) => Verifier | undefined> = {
  "ed25519 ed25519": ed25519Verifier,
  "ecdsa ecdsa-sha2-nistp256": (pem) => usable(ofKind(pem, "ec"), "sha256"),
  // The name that older repositories use for the same keys.
  "ecdsa-sha2-nistp256 ecdsa-sha2-nistp256": (pem) => usable(ofKind(pem, "ec"), "sha256"),
  // Never ours. Read because the standard names it, so that a repository of somebody else can be followed.
  "rsa rsassa-pss-sha256": (pem) => usable(ofKind(pem, "rsa"), "sha256"),
};

function ed25519Verifier(hex: string): Verifier | undefined {
  if (!/^[0-9a-f]{64}$/.test(hex)) return undefined;
  const der = Buffer.concat([ed25519Spki, Buffer.from(hex, "hex")]);
  return { ...holding(createPublicKey({ key: der, format: "der", type: "spki" }), null), identity: identityOf(der) };
}

const identityOf = (spki: Uint8Array): string => createHash("sha256").update(spki).digest("hex");

function ofKind(pem: string, kind: "ec" | "rsa"): KeyObject | undefined {
  const key = createPublicKey({ key: pem, format: "pem", type: "spki" });
  if (key.asymmetricKeyType !== kind) return undefined;
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  // P-384 with SHA-256 would be another scheme under this one's name.
  return (kind === "ec" ? namedCurve === "prime256v1" : modulusLength >= 2_048) ? key : undefined;
}

function usable(key: KeyObject | undefined, hash: "sha256"): Verifier | undefined {
  return key && { ...holding(key, hash), identity: identityOf(key.export({ type: "spki", format: "der" })) };
}

function holding(key: KeyObject, hash: "sha256" | null): Pick<Verifier, "key" | "verify"> {
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };
  const material = hash !== null && key.asymmetricKeyType === "rsa" ? { key, ...pss } : key;
  return {
    key,
    verify(bytes, sig) {
      if (!signatureDigits.test(sig)) return false;
      try {
        return verify(hash, bytes, material, Buffer.from(sig, "hex"));
      } catch {
        return false;
      }
    },
  };
}
