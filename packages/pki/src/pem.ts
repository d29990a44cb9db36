import { pkiProblems } from "./errors.ts";

export type PemLabel = "CERTIFICATE" | "CERTIFICATE REQUEST" | "PRIVATE KEY" | "TSS2 PRIVATE KEY" | "X509 CRL";

/** PEM (RFC 7468) with a final line break, so that files can be joined. */
export function toPem(label: PemLabel, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** Every block of one label in a text, in order. Throws `pem_malformed` when there is none or its base64 is broken. */
export function fromPem(label: PemLabel, text: string): Buffer[] {
  // OpenSSL writes requests under either label.
  const name = label === "CERTIFICATE REQUEST" ? "(?:NEW )?CERTIFICATE REQUEST" : label;
  const blocks = [...text.matchAll(new RegExp(`-----BEGIN ${name}-----([^-]*)-----END ${name}-----`, "g"))];
  if (blocks.length === 0)
    throw pkiProblems.pem_malformed(`There is no "BEGIN ${label}" block in this text.`, {
      fix: `Give it in PEM form, as openssl writes it.`,
    });
  return blocks.map((block) => fromBase64(block[1] ?? ""));
}

/** Base64 with white space anywhere [RFC 8951]. Throws `pem_malformed` for any other character or a wrong length. */
export function fromBase64(text: string): Buffer {
  const packed = text.replace(/[ \t\r\n]/g, "");
  if (packed.length === 0 || packed.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(packed)) {
    throw pkiProblems.pem_malformed("This is not base64.", {
      fix: "Send the DER bytes in base64, as `openssl base64` writes them.",
    });
  }
  const bytes = Buffer.from(packed, "base64");
  // [RFC 4648 3.5] Bits beyond the last byte are zero, so that one document has one spelling.
  if (bytes.toString("base64") !== packed) throw pkiProblems.pem_malformed("This is base64 with stray bits at its end.");
  return bytes;
}
