import { createHash } from "node:crypto";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** SHA-256 of a certificate's DER, lower-case hex: its name in our tables and logs. */
export const certificateFingerprint = (der: Uint8Array): string => sha256(der);

/** SHA-256 of a SubjectPublicKeyInfo's DER, lower-case hex: the name of a key, whatever certificate it stands in. */
export const spkiFingerprint = (der: Uint8Array): string => sha256(der);
