import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { otaProblems } from "./errors.ts";

/** A public key, ed25519 or ECDSA on P-256, that was read and named by us. `keyid` is never taken from anybody's word. */
export type PublicKey = { readonly keyid: string; readonly pem: string; readonly key: KeyObject };
export type PrivateKey = { readonly keyid: string; readonly key: KeyObject };

/** Makes a signing key. Both halves are PEM (PKCS#8, SPKI); the private one belongs to the signer and never to a server. */
export function generateSigningKey(): { keyid: string; publicKeyPem: string; privateKeyPem: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return {
    keyid: keyidOf(publicKey),
    publicKeyPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
    privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

/** Reads a public key in PEM. Throws `signing_key_unreadable` or `signing_key_unsupported`. */
export function readPublicKey(pem: string): PublicKey {
  if (/PRIVATE KEY/.test(pem)) {
    throw otaProblems.signing_key_unsupported("This is a private key. Only public keys are registered.", {
      fix: "Keep it where releases are signed, and make the public half with `openssl pkey -in key.pem -pubout`.",
    });
  }
  return publicKeyOf(readable(() => createPublicKey(pem)));
}

/** Names a public key that is there already. Throws `signing_key_unsupported`. */
export function publicKeyOf(given: KeyObject): PublicKey {
  const key = supported(given);
  return { keyid: keyidOf(key), pem: key.export({ type: "spki", format: "pem" }).toString(), key };
}

/** What node:crypto hashes with before it signs or verifies: ed25519 hashes by itself. */
export const hashFor = ({ asymmetricKeyType }: KeyObject): "sha256" | null => (asymmetricKeyType === "ed25519" ? null : "sha256");

/** Reads a private key in PEM (PKCS#8, not encrypted). */
export function readPrivateKey(pem: string): PrivateKey {
  const key = supported(readable(() => createPrivateKey(pem)));
  return { keyid: keyidOf(createPublicKey(key)), key };
}

/**
 * SHA-256 over the DER of the SubjectPublicKeyInfo, which has one spelling for one key: what
 * `openssl pkey -pubin -in key.pem -outform DER | sha256sum` prints.
 */
function keyidOf(key: KeyObject): string {
  return createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest("hex");
}

function readable(read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch (cause) {
    throw otaProblems.signing_key_unreadable("The key could not be read: it must be one PEM block.", {
      cause,
      fix: "Make one with `openssl genpkey -algorithm ed25519 -out key.pem`.",
    });
  }
}

function supported(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType === "ed25519" || key.asymmetricKeyDetails?.namedCurve === "prime256v1") return key;
  throw otaProblems.signing_key_unsupported(
    `Releases are signed with ed25519 or ECDSA on P-256; this key is ${key.asymmetricKeyType ?? "of another kind"}.`,
    {
      fix: "Make one with `openssl genpkey -algorithm ed25519 -out key.pem`.",
    },
  );
}
