import {
  constants,
  createCipheriv,
  createHash,
  createHmac,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
} from "node:crypto";
import { curve, hashes } from "./names.ts";
import { padded, type TpmPublic } from "./public-area.ts";
import { malformed, sized, u32 } from "./wire.ts";

/** What only the TPM with this endorsement key and this attestation key can open. Both are TPM2B, as TPM2_ActivateCredential takes them. */
export type SealedCredential = { readonly credentialBlob: Buffer; readonly encryptedSecret: Buffer };

/**
 * TPM2_MakeCredential without a TPM (TPM 2.0 Library, part 1, 24): seals `secret` (at most 32 bytes) for an endorsement key, bound to the name of
 * the attestation key. `entropy` answers so many random bytes. Throws `tpm_malformed` where `ek` is no storage key.
 */
export function makeCredential(
  ek: TpmPublic,
  { akName, secret, entropy }: { akName: Buffer; secret: Uint8Array; entropy: (bytes: number) => Buffer },
): SealedCredential {
  const hash = hashes[ek.nameAlg];
  if (ek.symmetric === undefined || hash === undefined) throw malformed("the endorsement key is no storage key");
  const { seed, encrypted } = seedFor(ek, hash, entropy);
  const key = kdfa(hash.name, { key: seed, label: "STORAGE", context: akName, bits: ek.symmetric.keyBits });
  const cipher = createCipheriv(`aes-${ek.symmetric.keyBits}-cfb`, key, Buffer.alloc(16));
  const identity = Buffer.concat([cipher.update(sized(secret)), cipher.final()]);
  const macKey = kdfa(hash.name, { key: seed, label: "INTEGRITY", context: Buffer.alloc(0), bits: hash.size * 8 });
  const integrity = createHmac(hash.name, macKey).update(identity).update(akName).digest();
  return { credentialBlob: sized(sized(integrity), identity), encryptedSecret: sized(encrypted) };
}

type Hash = { name: "sha256" | "sha384" | "sha512"; size: number };

/** A point that is not on its curve, or a modulus that is none, is found here at the latest. */
function seedFor(ek: TpmPublic, hash: Hash, entropy: (bytes: number) => Buffer): { seed: Buffer; encrypted: Buffer } {
  try {
    return ek.point === undefined ? seedForRsa(ek, hash, entropy) : seedForEcc(ek.publicKey.key(), ek.point, hash);
  } catch {
    throw malformed("the endorsement key cannot be used");
  }
}

/** [part 1, B.10.4] */
function seedForRsa({ publicKey }: TpmPublic, hash: Hash, entropy: (bytes: number) => Buffer) {
  const seed = entropy(hash.size);
  const encrypted = publicEncrypt(
    {
      key: publicKey.key(),
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: hash.name,
      oaepLabel: Buffer.from("IDENTITY\0"),
    },
    seed,
  );
  return { seed, encrypted };
}

/** [part 1, C.6.4] A fresh key of ours on the endorsement key's curve; the TPM finds the same point. */
function seedForEcc(theirs: KeyObject, { curve: id, x }: NonNullable<TpmPublic["point"]>, hash: Hash) {
  const [name, size] = id === curve.p256 ? (["P-256", 32] as const) : (["P-384", 48] as const);
  const ours = generateKeyPairSync("ec", { namedCurve: name });
  const shared = diffieHellman({ privateKey: ours.privateKey, publicKey: theirs });
  const point = coordinatesOf(ours.publicKey, size);
  const seed = kdfe(hash, { shared: padded(shared, size), partyU: point.x, partyV: x });
  return { seed, encrypted: Buffer.concat([sized(point.x), sized(point.y)]) };
}

function coordinatesOf(key: KeyObject, size: number): { x: Buffer; y: Buffer } {
  const { x = "", y = "" } = key.export({ format: "jwk" });
  return { x: padded(Buffer.from(x, "base64url"), size), y: padded(Buffer.from(y, "base64url"), size) };
}

/** [part 1, 11.4.10.2] One block of the counter mode is enough: no key here is longer than its hash. */
function kdfa(hash: Hash["name"], wish: { key: Buffer; label: string; context: Buffer; bits: number }): Buffer {
  return createHmac(hash, wish.key)
    .update(u32(1))
    .update(`${wish.label}\0`)
    .update(wish.context)
    .update(u32(wish.bits))
    .digest()
    .subarray(0, wish.bits / 8);
}

/** [part 1, 11.4.10.3] */
const kdfe = (hash: Hash, { shared, partyU, partyV }: { shared: Buffer; partyU: Buffer; partyV: Buffer }): Buffer =>
  createHash(hash.name).update(u32(1)).update(shared).update("IDENTITY\0").update(partyU).update(partyV).digest();
