import { constants, verify } from "node:crypto";
import { integer, sequence } from "../der-write.ts";
import { alg, hashes, structureTag } from "./names.ts";
import type { TpmPublic } from "./public-area.ts";
import type { PcrSelection } from "./tpm.ts";
import { malformed, TpmReader } from "./wire.ts";

/** What a TPM says under an attestation key (TPMS_ATTEST). Counters only ever rise in one TPM. */
export type Attest = {
  readonly extraData: Buffer;
  /** Milliseconds that the TPM has been powered, in all its life. */
  readonly clock: bigint;
  readonly resetCount: number;
  readonly restartCount: number;
  readonly firmwareVersion: bigint;
} & (
  | { readonly is: "certify"; readonly name: Buffer }
  | { readonly is: "quote"; readonly selections: readonly PcrSelection[]; readonly digest: Buffer }
);

/** TPM_GENERATED_VALUE: what only a TPM writes in front of what it attests. */
const generatedValue = 0xff544347;

/** Reads a TPMS_ATTEST of a certification or a quote. Throws `tpm_malformed` for all else, also for what no TPM has made. */
export function readAttest(bytes: Uint8Array): Attest {
  const from = new TpmReader(bytes);
  if (from.u32() !== generatedValue) throw malformed("it does not begin as what a TPM attests");
  const type = from.u16();
  from.sized(66);
  const extraData = from.sized(64);
  const [clock, resetCount, restartCount] = [from.u64(), from.u32(), from.u32()];
  const safe = from.u8();
  if (safe > 1) throw malformed("its safe flag is neither yes nor no");
  const facts = { extraData, clock, resetCount, restartCount, firmwareVersion: from.u64() };
  if (type === structureTag.attestCertify) {
    const name = from.sized(66);
    from.sized(66);
    from.end();
    return { ...facts, is: "certify", name };
  }
  if (type !== structureTag.attestQuote) throw malformed("it is neither a certification nor a quote");
  const selections = readSelections(from);
  const digest = from.sized(64);
  from.end();
  return { ...facts, is: "quote", selections, digest };
}

function readSelections(from: TpmReader): PcrSelection[] {
  const count = from.u32();
  if (count > 8) throw malformed(`it selects from ${count} banks`);
  return Array.from({ length: count }, () => {
    const hash = from.u16();
    const size = from.u8();
    if (size > 4) throw malformed("its selection of PCRs is too long");
    const bits = from.take(size);
    const pcrs = Array.from({ length: size * 8 }, (_, pcr) => pcr).filter((pcr) => ((bits[pcr >> 3] ?? 0) >> (pcr & 7)) & 1);
    return { hash, pcrs };
  });
}

/** Whether `signature` (TPMT_SIGNATURE) is this key's over `bytes`. Throws `tpm_malformed` where it is no signature of a kind that we know. */
export function verifyTpmSignature(key: TpmPublic, { bytes, signature }: { bytes: Uint8Array; signature: Uint8Array }): boolean {
  const from = new TpmReader(signature);
  const [scheme, hashId] = [from.u16(), from.u16()];
  const hash = hashes[hashId];
  if (hash === undefined) throw malformed(`the signature's hash 0x${hashId.toString(16)} is not used here`);
  // A restricted key signs by its own scheme only; another one is somebody else's signature.
  if (key.scheme !== undefined && (key.scheme.alg !== scheme || key.scheme.hash !== hashId)) return false;
  const options = optionsFor(key, scheme);
  const value = scheme === alg.ecdsa ? sequence(integer(from.sized(66)), integer(from.sized(66))) : from.sized(1_024);
  from.end();
  if (options === undefined) return false;
  try {
    return verify(hash.name, bytes, { key: key.publicKey.key(), ...options }, value);
  } catch {
    return false;
  }
}

function optionsFor({ publicKey: { kind } }: TpmPublic, scheme: number): { padding?: number; saltLength?: number } | undefined {
  if (scheme === alg.ecdsa) return kind === "p256" || kind === "p384" ? {} : undefined;
  if (kind !== "rsa") return undefined;
  if (scheme === alg.rsassa) return { padding: constants.RSA_PKCS1_PADDING };
  if (scheme === alg.rsapss) return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };
  throw malformed(`the signature's scheme 0x${scheme.toString(16)} is not used here`);
}
