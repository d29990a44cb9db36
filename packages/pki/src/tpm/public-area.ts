import { createHash } from "node:crypto";
import { readDer } from "../der-read.ts";
import { bitString, integer, nullValue, oid, sequence } from "../der-write.ts";
import { type PublicKey, readPublicKey } from "../keys.ts";
import { oids } from "../oids.ts";
import { alg, curve, hashes } from "./names.ts";
import { malformed, sized, TpmReader, u16, u32 } from "./wire.ts";

/** A key of a TPM as the TPM describes it (TPMT_PUBLIC). `name` is what other structures call it: it cannot be claimed by another key. */
export type TpmPublic = {
  readonly bytes: Buffer;
  readonly nameAlg: number;
  /** TPMA_OBJECT. */
  readonly attributes: number;
  readonly authPolicy: Buffer;
  /** For storage keys: how what is below is encrypted. */
  readonly symmetric: { readonly keyBits: number } | undefined;
  /** The only signature scheme that the key has; undefined where it has none of its own. */
  readonly scheme: { readonly alg: number; readonly hash: number } | undefined;
  readonly publicKey: PublicKey;
  /** The point of an ECC key, each coordinate in full length. */
  readonly point: { readonly curve: number; readonly x: Buffer; readonly y: Buffer } | undefined;
  readonly name: Buffer;
};

/** Reads a TPMT_PUBLIC of an RSA or ECC key. Throws `tpm_malformed`, or `algorithm_refused` for keys below our floor. */
export function readTpmPublic(bytes: Uint8Array): TpmPublic {
  const from = new TpmReader(bytes);
  const [type, nameAlg, attributes] = [from.u16(), from.u16(), from.u32()];
  const authPolicy = from.sized(64);
  const hash = hashes[nameAlg];
  if (hash === undefined) throw malformed(`its name algorithm 0x${nameAlg.toString(16)} is none of SHA-256, SHA-384, SHA-512`);
  if (type !== alg.rsa && type !== alg.ecc) throw malformed("it is no RSA or ECC key");
  const symmetric = readSymmetric(from);
  const scheme = readScheme(from);
  const key = type === alg.rsa ? readRsa(from) : readEcc(from);
  from.end();
  const raw = Buffer.from(bytes);
  const name = Buffer.concat([u16(nameAlg), createHash(hash.name).update(raw).digest()]);
  return { bytes: raw, nameAlg, attributes, authPolicy, symmetric, scheme, name, ...key };
}

/** [TPM 2.0 part 2, 11.1.7] AES in CFB mode, or none. */
function readSymmetric(from: TpmReader): TpmPublic["symmetric"] {
  const algorithm = from.u16();
  if (algorithm === alg.null) return undefined;
  const [keyBits, mode] = [from.u16(), from.u16()];
  if (algorithm !== alg.aes || mode !== alg.cfb || ![128, 192, 256].includes(keyBits))
    throw malformed("its symmetric algorithm is not AES in CFB mode");
  return { keyBits };
}

function readScheme(from: TpmReader): TpmPublic["scheme"] {
  const scheme = from.u16();
  if (scheme === alg.null) return undefined;
  if (![alg.rsassa, alg.rsapss, alg.ecdsa].some((known) => known === scheme))
    throw malformed(`its scheme 0x${scheme.toString(16)} is none that is used here`);
  return { alg: scheme, hash: from.u16() };
}

function readRsa(from: TpmReader): Pick<TpmPublic, "publicKey" | "point"> {
  const [keyBits, exponent] = [from.u16(), from.u32()];
  const modulus = from.sized(1_024);
  if (modulus.length * 8 !== keyBits) throw malformed(`its modulus has ${modulus.length * 8} bits instead of ${keyBits}`);
  // [part 2, 12.2.3.5] Zero stands for the usual exponent.
  const key = sequence(integer(modulus), integer(exponent === 0 ? 65_537 : exponent));
  const spki = sequence(sequence(oid(oids.rsaEncryption), nullValue()), bitString(key));
  return { publicKey: readPublicKey(readDer(spki)), point: undefined };
}

const curves: Readonly<Record<number, { oid: string; size: number }>> = {
  [curve.p256]: { oid: oids.p256, size: 32 },
  [curve.p384]: { oid: oids.p384, size: 48 },
};

function readEcc(from: TpmReader): Pick<TpmPublic, "publicKey" | "point"> {
  const [id, kdf] = [from.u16(), from.u16()];
  if (kdf !== alg.null) throw malformed("it has a key derivation scheme of its own");
  const known = curves[id];
  if (known === undefined) throw malformed(`its curve 0x${id.toString(16)} is neither P-256 nor P-384`);
  // A TPM may leave out leading zeros.
  const [x, y] = [padded(from.sized(known.size), known.size), padded(from.sized(known.size), known.size)];
  const point = bitString(Buffer.concat([Buffer.from([4]), x, y]));
  const spki = sequence(sequence(oid(oids.ecPublicKey), oid(known.oid)), point);
  return { publicKey: readPublicKey(readDer(spki)), point: { curve: id, x, y } };
}

export const padded = (bytes: Buffer, size: number): Buffer => Buffer.concat([Buffer.alloc(size - bytes.length), bytes]);

type Template = {
  readonly nameAlg?: number;
  readonly attributes: number;
  readonly authPolicy?: Buffer;
  readonly symmetricBits?: number;
  readonly scheme?: { readonly alg: number; readonly hash: number };
} & (
  | { readonly rsaBits: number; readonly unique?: Buffer }
  | { readonly curve: number; readonly unique?: { readonly x: Buffer; readonly y: Buffer } }
);

/** Writes the TPMT_PUBLIC that asks a TPM for a key. */
export function writeTemplate(wish: Template): Buffer {
  const { nameAlg = alg.sha256, attributes, authPolicy = Buffer.alloc(0), symmetricBits, scheme } = wish;
  const shared = [
    symmetricBits === undefined ? u16(alg.null) : Buffer.concat([u16(alg.aes), u16(symmetricBits), u16(alg.cfb)]),
    scheme === undefined ? u16(alg.null) : Buffer.concat([u16(scheme.alg), u16(scheme.hash)]),
  ];
  const head = (type: number) => [u16(type), u16(nameAlg), u32(attributes), sized(authPolicy), ...shared];
  if ("rsaBits" in wish) return Buffer.concat([...head(alg.rsa), u16(wish.rsaBits), u32(0), sized(wish.unique ?? Buffer.alloc(0))]);
  const { x, y } = wish.unique ?? { x: Buffer.alloc(0), y: Buffer.alloc(0) };
  return Buffer.concat([...head(alg.ecc), u16(wish.curve), u16(alg.null), sized(x), sized(y)]);
}
