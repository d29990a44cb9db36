import { Problem } from "@tenfold/base";
import { type Certificate, readCertificate } from "./certificate.ts";
import { keyUsageBits } from "./extensions.ts";
import { verifySignature } from "./keys.ts";
import { formatName, sameName } from "./name.ts";
import { oids } from "./oids.ts";

/** Why a chain is not believed. Closed: the attempt log and the API promise these words. */
export type ChainFault =
  | "certificate_malformed"
  | "algorithm_refused"
  | "issuer_unknown"
  | "signature_invalid"
  | "not_yet_valid"
  | "expired"
  | "not_a_ca"
  | "leaf_is_a_ca"
  | "key_usage_missing"
  | "extended_key_usage_missing"
  | "path_length_exceeded"
  | "critical_extension_unknown"
  | "chain_too_long";

/** `chain` runs from the leaf to the anchor. `detail` is a sentence that names the certificate. */
export type ChainVerdict =
  | { readonly is: "valid"; readonly chain: readonly Certificate[]; readonly anchor: Certificate }
  | { readonly is: "invalid"; readonly because: ChainFault; readonly detail: string };

export type ChainQuestion = {
  readonly leaf: Certificate;
  /** What the peer sent beside its leaf, in any order; nothing in it is trusted. */
  readonly intermediates: readonly Certificate[];
  readonly anchors: readonly Certificate[];
  readonly at: number;
  /** `tpm`: the certificate of a TPM's endorsement key, which decrypts and never signs. */
  readonly usage: "device" | "server" | "tpm";
};

export type DerChainQuestion = Pick<ChainQuestion, "anchors" | "at" | "usage"> & {
  readonly chain: readonly Uint8Array[];
  readonly intermediates?: readonly Certificate[];
};

type Invalid = Extract<ChainVerdict, { is: "invalid" }>;

const maximumLength = 8;
// A peer that sends many look-alike intermediates could otherwise make us verify without end.
const maximumVerifications = 32;
const maximumIntermediates = 16;

/**
 * Whether a certificate leads to an anchor by the rules of RFC 5280 6.1: every signature, name, validity period, CA flag, key usage, path
 * length, extended key usage and critical extension on the way, algorithms above our floor, and no loops. Name constraints and
 * policies are not processed, so a chain that demands them is refused. Revocation is asked elsewhere. Never throws.
 */
export function validateChain(question: ChainQuestion): ChainVerdict {
  const leafFault = judgeLeaf(question.leaf, question);
  if (leafFault !== undefined) return leafFault;
  const search: Search = {
    ...question,
    intermediates: question.intermediates.slice(0, maximumIntermediates),
    verifications: 0,
    worst: undefined,
  };
  const path = extend(search, [question.leaf]);
  if (path !== undefined) return { is: "valid", chain: path, anchor: path[path.length - 1] ?? question.leaf };
  return (
    search.worst ??
    invalid(
      "issuer_unknown",
      `No trusted authority has issued ${name(question.leaf)}; its issuer is "${formatName(question.leaf.issuer)}".`,
    )
  );
}

/** Whether one CA certifies another now: name, time, CA flags and signature. For cross certificates, which are no leaf of a chain. */
export function isCertifiedBy(child: Certificate, authority: Certificate, at: number): boolean {
  const inTime = [child, authority].every(({ notBefore, notAfter }) => at >= notBefore && at <= notAfter);
  const areCas = [child, authority].every(({ basicConstraints }) => basicConstraints?.ca === true);
  return inTime && areCas && sameName(child.issuer, authority.subject) && verifySignature(authority.publicKey, child.signed);
}

/** As `validateChain`, for a chain as it came over the wire, leaf first; what cannot be read is a verdict too. `intermediates` are our own. */
export function validateDerChain({ chain, intermediates = [], ...question }: DerChainQuestion): ChainVerdict {
  const [first, ...rest] = chain;
  if (first === undefined) return invalid("certificate_malformed", "There is no certificate.");
  try {
    // An unreadable intermediate cannot be a link of the chain, so it counts as absent.
    const sent = rest.slice(0, maximumIntermediates).flatMap(readable);
    return validateChain({ ...question, leaf: readCertificate(first), intermediates: [...intermediates, ...sent] });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return invalid(error.code === "algorithm_refused" ? "algorithm_refused" : "certificate_malformed", error.message);
  }
}

function readable(der: Uint8Array): Certificate[] {
  try {
    return [readCertificate(der)];
  } catch {
    return [];
  }
}

type Search = ChainQuestion & { verifications: number; worst: Invalid | undefined };

/** Depth first: tries every issuer of the last link, anchors before intermediates; keeps the fault that came nearest to an anchor. */
function extend(search: Search, path: readonly Certificate[]): readonly Certificate[] | undefined {
  const last = path[path.length - 1];
  if (last === undefined) return undefined;
  for (const { candidate, anchored } of issuersOf(search, last)) {
    const fault = judgeLink(search, { candidate, child: last, path });
    if (fault !== undefined) search.worst = nearer(search.worst, fault);
    else if (anchored) return [...path, candidate];
    else {
      const complete = path.some((link) => link.der.equals(candidate.der)) ? undefined : extend(search, [...path, candidate]);
      if (complete !== undefined) return complete;
    }
  }
  return undefined;
}

// The first fault found on a real candidate explains best; "signature_invalid" only says that a name was reused.
function nearer(known: Invalid | undefined, fault: Invalid): Invalid {
  return known === undefined || (known.because === "signature_invalid" && fault.because !== "signature_invalid") ? fault : known;
}

function issuersOf({ anchors, intermediates }: Search, child: Certificate): { candidate: Certificate; anchored: boolean }[] {
  const fits = (candidate: Certificate) => sameName(candidate.subject, child.issuer);
  const trusted = anchors.filter(fits).map((candidate) => ({ candidate, anchored: true }));
  const sent = intermediates.filter(
    (candidate) => fits(candidate) && !trusted.some((anchor) => anchor.candidate.der.equals(candidate.der)),
  );
  return [...trusted, ...sent.map((candidate) => ({ candidate, anchored: false }))];
}

function judgeLink(
  search: Search,
  link: { candidate: Certificate; child: Certificate; path: readonly Certificate[] },
): Invalid | undefined {
  const { candidate, child, path } = link;
  if (path.length >= maximumLength)
    return invalid("chain_too_long", `The chain of ${name(search.leaf)} has more than ${maximumLength} certificates.`);
  if (++search.verifications > maximumVerifications)
    return invalid("chain_too_long", `The certificates sent with ${name(search.leaf)} lead nowhere.`);
  const { signed } = child;
  if (!verifySignature(candidate.publicKey, { algorithm: signed.algorithm, bytes: signed.bytes, signature: signed.signature })) {
    return invalid("signature_invalid", `${name(child)} is not signed by ${name(candidate)}, whose name it bears as issuer.`);
  }
  return judgeIssuer(candidate, { search, path });
}

/** [RFC 5280 6.1.4 (k)-(o)] What an issuer must be. `path` holds what stands below it, the leaf first. */
function judgeIssuer(issuer: Certificate, { search, path }: { search: Search; path: readonly Certificate[] }): Invalid | undefined {
  if (issuer.basicConstraints?.ca !== true)
    return invalid("not_a_ca", `${name(issuer)} is not a certificate authority, yet it issued a certificate.`);
  if (issuer.keyUsage !== undefined && !issuer.keyUsage.includes(keyUsageBits.keyCertSign)) {
    return invalid("key_usage_missing", `${name(issuer)} may not sign certificates (keyCertSign is not set).`);
  }
  // [RFC 5280 4.2.1.9] Self-issued certificates do not count, and neither does the leaf.
  const below = path.slice(1).filter((link) => !sameName(link.subject, link.issuer)).length;
  const { pathLength } = issuer.basicConstraints;
  if (pathLength !== undefined && below > pathLength) {
    return invalid(
      "path_length_exceeded",
      `${name(issuer)} allows ${pathLength} authorities below it, but the chain has ${below}.`,
    );
  }
  return judgeCommon(issuer, search) ?? judgePurpose(issuer, search);
}

function judgeLeaf(leaf: Certificate, question: ChainQuestion): Invalid | undefined {
  if (leaf.basicConstraints?.ca === true)
    return invalid("leaf_is_a_ca", `${name(leaf)} is a certificate authority; a ${question.usage} presents its own certificate.`);
  if (leaf.keyUsage !== undefined && question.usage === "tpm") {
    // [TCG EK Credential Profile 3.2.14] RSA keys encipher, ECC keys agree.
    if (![keyUsageBits.keyEncipherment, keyUsageBits.keyAgreement].some((bit) => leaf.keyUsage?.includes(bit)))
      return invalid("key_usage_missing", `${name(leaf)} may not encipher keys, so it is no certificate of an endorsement key.`);
  } else if (leaf.keyUsage !== undefined && !leaf.keyUsage.includes(keyUsageBits.digitalSignature)) {
    return invalid("key_usage_missing", `${name(leaf)} may not sign (digitalSignature is not set), so it cannot be used in TLS.`);
  }
  return judgeCommon(leaf, question) ?? judgePurpose(leaf, question);
}

// Extensions that this validation processes (or that, as policies without constraints, cannot make a chain invalid).
const processed: readonly string[] = [
  oids.basicConstraints,
  oids.keyUsage,
  oids.extendedKeyUsage,
  oids.subjectAltName,
  oids.certificatePolicies,
];

function judgeCommon(certificate: Certificate, { at }: Pick<ChainQuestion, "at">): Invalid | undefined {
  const { notBefore, notAfter } = certificate;
  if (at < notBefore)
    return invalid("not_yet_valid", `${name(certificate)} is not valid before ${iso(notBefore)}; it is ${iso(at)}.`);
  if (at > notAfter) return invalid("expired", `${name(certificate)} expired on ${iso(notAfter)}; it is ${iso(at)}.`);
  const unknown = certificate.extensions.find((extension) => extension.critical && !processed.includes(extension.oid));
  if (unknown !== undefined) {
    return invalid(
      "critical_extension_unknown",
      `${name(certificate)} has the critical extension ${unknown.oid}, which is not understood here.`,
    );
  }
  return undefined;
}

/** An absent list of purposes allows all; one on an authority limits everything below it. */
function judgePurpose(certificate: Certificate, { usage }: Pick<ChainQuestion, "usage">): Invalid | undefined {
  const { oid, name: purpose } = purposeOf[usage];
  const purposes = certificate.extendedKeyUsage;
  if (purposes === undefined || purposes.includes(oid) || purposes.includes(oids.anyExtendedKeyUsage)) return undefined;
  return invalid("extended_key_usage_missing", `${name(certificate)} is not meant for ${purpose}.`);
}

const purposeOf = {
  device: { oid: oids.clientAuth, name: "TLS client authentication" },
  server: { oid: oids.serverAuth, name: "TLS server authentication" },
  tpm: { oid: oids.endorsementKeyCertificate, name: "the endorsement key of a TPM" },
} as const;

const invalid = (because: ChainFault, detail: string): Invalid => ({ is: "invalid", because, detail });
const name = (certificate: Certificate): string =>
  `certificate "${formatName(certificate.subject)}" (serial ${certificate.serialNumber})`;
const iso = (at: number): string => new Date(at).toISOString();
