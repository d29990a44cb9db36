import { type Certificate, readCertificate } from "./certificate.ts";
import { expectTag, readDer } from "./der-read.ts";
import { bitString, sequence, tags } from "./der-write.ts";
import { pkiProblems } from "./errors.ts";
import { type Name, readName } from "./name.ts";

/** What an authority is asked to sign, read before it does. */
export type ToBeSigned =
  /** As it will be, but for the signature. */
  | { readonly is: "certificate"; readonly certificate: Certificate }
  | { readonly is: "revocation_list"; readonly issuer: Name }
  /** `key` is the identifier of the key that answers (RFC 6960 4.2.1, byKey). */
  | { readonly is: "ocsp_response"; readonly key: Buffer };

const limits = { bytes: 16 * 1024 * 1024, depth: 24, elements: 4_000_000 };

/**
 * Reads TBSCertificate (RFC 5280 4.1), TBSCertList (5.1) or ResponseData (RFC 6960 4.2.1). Throws `der_malformed` or `certificate_malformed` for
 * anything else: a key signs nothing that cannot be read.
 */
export function readToBeSigned(bytes: Buffer): ToBeSigned {
  const content = expectTag(readDer(bytes, limits), tags.sequence, "what is to be signed");
  const [first, second, third] = content.children;
  if (first?.tag === 0xa0 && second !== undefined && third !== undefined)
    return { is: "certificate", certificate: readCertificate(sequence(bytes, third.raw, bitString(Buffer.of(0)))) };
  if (first?.tag === tags.integer) return { is: "revocation_list", issuer: readName(third, "the issuer") };
  if (first?.tag === 0xa2)
    return { is: "ocsp_response", key: expectTag(first.children[0], tags.octetString, "the responder").body };
  throw pkiProblems.der_malformed("This is neither a certificate's content, nor a revocation list's, nor an OCSP answer's.");
}
