import { expectTag, readDer, readInteger, readOctetsOfBits, readTime } from "./der-read.ts";
import { bitString, context, contextPrimitive, integer, sequence, tags, time, tlv } from "./der-write.ts";
import { writeExtension } from "./extensions.ts";
import { type Issuer, keyIdentifier } from "./issue.ts";
import { type PublicKey, readSignatureAlgorithm, verifySignature, writeAlgorithm } from "./keys.ts";
import { oids } from "./oids.ts";

/** [RFC 5280 5.3.1] Why, as the list says it. */
const crlReasons = { unspecified: 0, keyCompromise: 1, superseded: 4, cessationOfOperation: 5 } as const;

export type RevokedEntry = { readonly serialNumber: string; readonly at: number; readonly reason: keyof typeof crlReasons };
export type CrlWish = {
  readonly issuer: Issuer;
  readonly number: number;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly revoked: readonly RevokedEntry[];
};

/** A version 2 revocation list (RFC 5280 5), DER. */
export async function issueCrl({ issuer, number, thisUpdate, nextUpdate, revoked }: CrlWish): Promise<Buffer> {
  const algorithm = writeAlgorithm(issuer.signer.algorithm);
  const entries = revoked.map(writeEntry);
  const tbs = sequence(
    integer(1),
    algorithm,
    issuer.name.der,
    time(thisUpdate),
    time(nextUpdate),
    // [RFC 5280 5.1.2.6] An empty list of entries must be absent.
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    context(
      0,
      sequence(
        writeExtension(oids.authorityKeyIdentifier, sequence(contextPrimitive(0, keyIdentifier(issuer.signer.publicKey)))),
        writeExtension(oids.crlNumber, integer(number)),
      ),
    ),
  );
  return sequence(tbs, algorithm, bitString(await issuer.signer.sign(tbs)));
}

function writeEntry({ serialNumber, at, reason }: RevokedEntry): Buffer {
  const head = [integer(Buffer.from(serialNumber, "hex")), time(at)];
  // [RFC 5280 5.3.1] "unspecified" is said by leaving the extension out.
  if (reason === "unspecified") return sequence(...head);
  return sequence(...head, sequence(writeExtension(oids.crlReason, tlv(tags.enumerated, Buffer.from([crlReasons[reason]])))));
}

export type RevocationList = {
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly serialNumbers: ReadonlySet<string>;
  signedBy(key: PublicKey): boolean;
};

/** Reads a revocation list of at most 16 MiB. Throws `der_malformed`. */
export function readCrl(der: Uint8Array): RevocationList {
  const [tbs, algorithmId, bits] = expectTag(
    readDer(der, { bytes: 16 * 1024 * 1024, depth: 16, elements: 4_000_000 }),
    tags.sequence,
    "the list",
  ).children;
  const content = expectTag(tbs, tags.sequence, "the list's content");
  const [, , , thisUpdate, nextUpdate, entries] = content.children;
  const revoked = entries?.tag === tags.sequence ? entries.children : [];
  const algorithm = readSignatureAlgorithm(algorithmId);
  const signature = readOctetsOfBits(bits, "the signature");
  return {
    thisUpdate: readTime(thisUpdate, "thisUpdate"),
    nextUpdate: readTime(nextUpdate, "nextUpdate"),
    serialNumbers: new Set(
      revoked.map((entry) =>
        readInteger(entry.children[0], "a serial number")
          .toString("hex")
          .replace(/^00(?=..)/, ""),
      ),
    ),
    signedBy: (key) => verifySignature(key, { algorithm, bytes: content.raw, signature }),
  };
}
