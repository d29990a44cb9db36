import { sign, verify } from "node:crypto";
import { canonicalJson } from "@tenfold/base";
import { type ReleaseStatement, releaseStatement, type SignedRelease, signedRelease } from "@tenfold/contracts";
import { otaProblems } from "./errors.ts";
import { hashFor, type PrivateKey, type PublicKey } from "./keys.ts";

/** Why an envelope is not believed. Closed. */
export type RefusedRelease = "envelope_malformed" | "no_trusted_keys" | "signer_unknown" | "signature_invalid" | "too_few_signers";

export type ReleaseVerdict =
  | { is: "trusted"; release: ReleaseStatement /** Distinct keys whose signature holds. */; signedBy: string[] }
  | { is: "refuse"; because: RefusedRelease; detail: string };

export type Trust = {
  trustedKeys: readonly PublicKey[];
  /** How many different keys must have signed; 1 when left out. */
  threshold?: number;
};

/** Signs what a release says about itself. Throws `release_statement_invalid` when it says something that the contract does not know. */
export function signRelease(statement: ReleaseStatement, privateKey: PrivateKey): SignedRelease {
  const signed = checkedStatement(statement);
  return { signed, signatures: [signatureOf(signed, privateKey)] };
}

/** The same with signers that may be tokens: each signs, a second time in the place of its first. */
export async function signReleaseWith(
  release: ReleaseStatement | SignedRelease,
  signers: readonly ReleaseSigner[],
): Promise<SignedRelease> {
  const before = "signatures" in release ? release : { signed: checkedStatement(release), signatures: [] };
  const bytes = bytesToSign(before.signed);
  const signatures = [...before.signatures];
  for (const { publicKey, sign: signBytes } of signers) {
    const sig = Buffer.from(await signBytes(bytes)).toString("hex");
    const at = signatures.findIndex(({ keyid }) => keyid === publicKey.keyid);
    signatures.splice(at < 0 ? signatures.length : at, 1, { keyid: publicKey.keyid, sig });
  }
  return { signed: before.signed, signatures };
}

export type ReleaseSigner = { readonly publicKey: PublicKey; sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array> };

function checkedStatement(statement: ReleaseStatement): ReleaseStatement {
  const parsed = releaseStatement.safeParse(statement);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw otaProblems.release_statement_invalid(
      `The statement cannot be signed: ${issue?.path.join(".") || "it"}: ${issue?.message}.`,
      {
        field: issue?.path.join(".") ?? "",
      },
    );
  }
  return parsed.data;
}

/** Adds one more signer, for keys of which several must agree. A second signature by the same key replaces its first. */
export function addSignature(envelope: SignedRelease, privateKey: PrivateKey): SignedRelease {
  const others = envelope.signatures.filter((signature) => signature.keyid !== privateKey.keyid);
  return { signed: envelope.signed, signatures: [...others, signatureOf(envelope.signed, privateKey)] };
}

/**
 * Judges an envelope of unknown origin. Only keys count, never names of keys: a key that signs twice, or that stands twice in the
 * list of trusted keys, is one signer (TUF 1.0 §4.2: "each unique key").
 * Throws only when the caller asks for a threshold that is not a whole number of at least 1.
 */
export function verifyRelease(envelope: unknown, { trustedKeys, threshold = 1 }: Trust): ReleaseVerdict {
  if (!Number.isSafeInteger(threshold) || threshold < 1) {
    throw otaProblems.signature_threshold_invalid(
      `A threshold of ${threshold} signers means nothing: it must be a whole number of at least 1.`,
    );
  }
  const parsed = signedRelease.safeParse(envelope);
  if (!parsed.success) return refuse("envelope_malformed", describeIssue(parsed.error.issues[0]));
  if (trustedKeys.length === 0) return refuse("no_trusted_keys", "No key is trusted, so nothing can be.");
  // What is verified below is what the caller will use: the parsed statement, not the bytes that it came in.
  const { signed, signatures } = parsed.data;
  const bytes = bytesToSign(signed);
  const keys = new Map(trustedKeys.map((key) => [key.keyid, key]));
  const claimed = signatures.flatMap(({ keyid, sig }) => {
    const key = keys.get(keyid);
    return key ? [{ key, sig }] : [];
  });
  const signedBy = [...new Set(claimed.filter(({ key, sig }) => holds(bytes, key, sig)).map(({ key }) => key.keyid))];
  if (signedBy.length >= threshold) return { is: "trusted", release: signed, signedBy };
  if (signedBy.length > 0)
    return refuse("too_few_signers", `${signedBy.length} of ${threshold} needed keys signed ${nameOf(signed)}.`);
  if (claimed.length > 0) return refuse("signature_invalid", `The signature under ${nameOf(signed)} does not fit what it says.`);
  return refuse(
    "signer_unknown",
    `${nameOf(signed)} is signed by ${signatures[0]?.keyid.slice(0, 12)}…, which is not trusted here.`,
  );
}

// The statement names its own type, so that a signature for it can never be taken for one under something else.
const bytesToSign = (statement: ReleaseStatement): Buffer => Buffer.from(canonicalJson(statement), "utf8");

const signatureOf = (statement: ReleaseStatement, { keyid, key }: PrivateKey) => ({
  keyid,
  // Hex, as in TUF metadata.
  sig: sign(hashFor(key), bytesToSign(statement), key).toString("hex"),
});

// One spelling only: Node's decoder would stop at the first bad digit and take the rest for granted.
const holds = (bytes: Buffer, { key }: PublicKey, sig: string): boolean => {
  const hash = hashFor(key);
  const digits = hash === null ? /^[0-9a-f]{128}$/ : /^(?:[0-9a-f]{2}){8,72}$/;
  return digits.test(sig) && verify(hash, bytes, key, Buffer.from(sig, "hex"));
};

const refuse = (because: RefusedRelease, detail: string): ReleaseVerdict => ({ is: "refuse", because, detail });

const nameOf = ({ name, version }: ReleaseStatement): string => `Release ${name} ${version}`;

const describeIssue = (issue: { path: PropertyKey[]; message: string } | undefined): string =>
  `The envelope is not a signed release: ${issue?.path.map(String).join(".") || "it"}: ${issue?.message ?? "unreadable"}.`;
