import { createPublicKey, type KeyObject, sign as signBytes, verify as verifyBytes } from "node:crypto";
import { Problem } from "@tenfold/base";
import { type Der, expectTag, readDer, readInteger, readOctetsOfBits, readOid } from "./der-read.ts";
import { nullValue, oid, sequence, tags } from "./der-write.ts";
import { pkiProblems } from "./errors.ts";
import { oids } from "./oids.ts";

type KeyKind = "p256" | "p384" | "ed25519" | "rsa";

/** A SubjectPublicKeyInfo whose algorithm, curve and size stand above our floor. `der` is exactly what was sent. */
export type PublicKey = {
  readonly der: Buffer;
  readonly kind: KeyKind;
  readonly bits: number;
  /** The key for node:crypto, imported at first use and then kept (importing costs as much as verifying). Throws when OpenSSL cannot use it. */
  readonly key: () => KeyObject;
};

export type SignatureAlgorithm = {
  readonly oid: string;
  readonly name: string;
  readonly keys: readonly KeyKind[];
  /** For node:crypto; null where the algorithm hashes by itself. */
  readonly hash: "sha256" | "sha384" | "sha512" | null;
  /** Whether a certificate request may use it (docs/protocol/enrollment.md); chains of manufacturers may use all of them. */
  readonly inRequests: boolean;
};

const ec = ["p256", "p384"] as const;

const signatureAlgorithms: readonly SignatureAlgorithm[] = [
  { oid: oids.ecdsaWithSha256, name: "ecdsa-with-SHA256", keys: ec, hash: "sha256", inRequests: true },
  { oid: oids.ecdsaWithSha384, name: "ecdsa-with-SHA384", keys: ec, hash: "sha384", inRequests: true },
  { oid: oids.ecdsaWithSha512, name: "ecdsa-with-SHA512", keys: ec, hash: "sha512", inRequests: false },
  { oid: oids.ed25519, name: "Ed25519", keys: ["ed25519"], hash: null, inRequests: true },
  { oid: oids.rsaWithSha256, name: "sha256WithRSAEncryption", keys: ["rsa"], hash: "sha256", inRequests: true },
  { oid: oids.rsaWithSha384, name: "sha384WithRSAEncryption", keys: ["rsa"], hash: "sha384", inRequests: false },
  { oid: oids.rsaWithSha512, name: "sha512WithRSAEncryption", keys: ["rsa"], hash: "sha512", inRequests: false },
];

const refused = (why: string) =>
  pkiProblems.algorithm_refused(why, { fix: "Use ECDSA P-256 or P-384, Ed25519, or RSA with 2048 bits or more." });

const minimumRsaBits = 2_048;
// Larger keys are a way to make the server spend time, not a way to be safer.
const maximumRsaBits = 8_192;

/** Reads a SubjectPublicKeyInfo. Throws `algorithm_refused` for weak or unknown keys, `der_malformed` for broken ones. */
export function readPublicKey(element: Der | undefined): PublicKey {
  const spki = expectTag(element, tags.sequence, "the public key");
  const [algorithm, bits, ...more] = spki.children;
  if (more.length > 0) throw pkiProblems.der_malformed("This is not DER: the public key has a third part.");
  const point = readOctetsOfBits(bits, "the public key");
  const { kind, size } = kindOf(expectTag(algorithm, tags.sequence, "the key's algorithm"), point);
  return { der: spki.raw, kind, bits: size, key: importOnce(spki.raw) };
}

function kindOf(algorithm: Der, point: Buffer): { kind: KeyKind; size: number } {
  const [name, parameters] = algorithm.children;
  const id = readOid(name, "the key's algorithm");
  if (id === oids.ecPublicKey) return curveOf(parameters);
  if (id === oids.ed25519) return { kind: "ed25519", size: 256 };
  if (id === oids.rsaEncryption) return { kind: "rsa", size: rsaBits(point) };
  throw refused(`Keys of algorithm ${id} are not accepted.`);
}

/** [RFC 5480 2.1.1] Only named curves: explicit parameters let the sender choose a curve of his own making. */
function curveOf(parameters: Der | undefined): { kind: KeyKind; size: number } {
  if (parameters?.tag !== tags.oid) throw refused("The key gives explicit curve parameters; only named curves are accepted.");
  const curve = readOid(parameters, "the key's curve");
  if (curve === oids.p256) return { kind: "p256", size: 256 };
  if (curve === oids.p384) return { kind: "p384", size: 384 };
  throw refused(`Keys on curve ${curve} are not accepted.`);
}

/** [RFC 8017 A.1.1] The size of the modulus. Exponents that are even, 1 or very long are refused. */
function rsaBits(point: Buffer): number {
  const [n, e] = expectTag(readDer(point), tags.sequence, "the RSA key").children;
  const modulus = magnitude(readInteger(n, "the RSA modulus"));
  const exponent = magnitude(readInteger(e, "the RSA exponent"));
  const size = modulus.length * 8 + 24 - Math.clz32(modulus[0] ?? 0);
  if (size < minimumRsaBits || size > maximumRsaBits) throw refused(`An RSA key of ${size} bits is not accepted.`);
  const odd = ((exponent.at(-1) ?? 0) & 1) === 1;
  if (!odd || exponent.length > 8 || (exponent.length === 1 && exponent[0] === 1))
    throw refused("The exponent of the RSA key is not accepted.");
  return size;
}

const magnitude = (integer: Buffer): Buffer => (integer[0] === 0 ? integer.subarray(1) : integer);

function importOnce(der: Buffer): () => KeyObject {
  let key: KeyObject | undefined;
  return () => {
    key ??= createPublicKey({ key: der, format: "der", type: "spki" });
    return key;
  };
}

/** The algorithm in an AlgorithmIdentifier, if it is one that we verify; parameters must be absent (or NULL for RSA). */
export function readSignatureAlgorithm(element: Der | undefined): SignatureAlgorithm {
  const [name, parameters, ...more] = expectTag(element, tags.sequence, "the signature algorithm").children;
  const id = readOid(name, "the signature algorithm");
  const algorithm = signatureAlgorithms.find((known) => known.oid === id);
  if (algorithm === undefined) throw refused(`Signatures of algorithm ${id} are not accepted.`);
  const rsa = algorithm.keys.includes("rsa");
  const wellFormed =
    more.length === 0 && (parameters === undefined || (rsa && parameters.tag === tags.null && parameters.body.length === 0));
  if (!wellFormed) throw pkiProblems.der_malformed(`This is not DER: ${algorithm.name} takes no such parameters.`);
  return algorithm;
}

export const writeAlgorithm = (algorithm: SignatureAlgorithm): Buffer =>
  algorithm.keys.includes("rsa") ? sequence(oid(algorithm.oid), nullValue()) : sequence(oid(algorithm.oid));

/** Whether `signature` is this key's over `bytes`. Never throws: what OpenSSL cannot use is not a signature. */
export function verifySignature(
  key: PublicKey,
  check: { algorithm: SignatureAlgorithm; bytes: Buffer; signature: Buffer },
): boolean {
  if (!check.algorithm.keys.includes(key.kind)) return false;
  try {
    return verifyBytes(check.algorithm.hash, check.bytes, key.key(), check.signature);
  } catch {
    return false;
  }
}

/**
 * Something that signs: a key file, a PKCS#11 token, a TPM. `publicKey` is a SubjectPublicKeyInfo; `sign` answers the
 * signature over the bytes with `algorithm`.
 */
export type Signer = {
  readonly publicKey: PublicKey;
  readonly algorithm: SignatureAlgorithm;
  sign(bytes: Buffer): Promise<Buffer>;
};

/** A signer over a private key that this process holds. */
export function signerOf(privateKey: KeyObject): Signer {
  const publicKey = publicKeyOf(privateKey);
  const algorithm = algorithmOf(publicKey.kind);
  return { publicKey, algorithm, sign: async (bytes) => signBytes(algorithm.hash, bytes, privateKey) };
}

/** A SubjectPublicKeyInfo as it was stored. */
export const readPublicKeyDer = (der: Uint8Array): PublicKey => readPublicKey(readDer(der));

/** The public key in a PEM text: of a PUBLIC KEY or a CERTIFICATE. Throws `pem_malformed`, `algorithm_refused` or `der_malformed`. */
export function readPublicKeyPem(pem: string): PublicKey {
  try {
    return publicKeyOf(createPublicKey(pem));
  } catch (cause) {
    if (cause instanceof Problem) throw cause;
    throw pkiProblems.pem_malformed("There is no public key in this text.", {
      fix: "Give a PUBLIC KEY or a CERTIFICATE in PEM form.",
      cause,
    });
  }
}

/** The public half of a key, as we send and store it. */
export function publicKeyOf(key: KeyObject): PublicKey {
  const half = key.type === "private" ? createPublicKey(key) : key;
  return readPublicKey(readDer(half.export({ format: "der", type: "spki" })));
}

/** The signature algorithm that we use with a kind of key. */
export function algorithmOf(kind: KeyKind): SignatureAlgorithm {
  const wanted = { p256: oids.ecdsaWithSha256, p384: oids.ecdsaWithSha384, ed25519: oids.ed25519, rsa: oids.rsaWithSha256 }[kind];
  const algorithm = signatureAlgorithms.find((known) => known.oid === wanted);
  if (algorithm === undefined) throw refused(`There is no signature algorithm for ${kind}.`);
  return algorithm;
}
