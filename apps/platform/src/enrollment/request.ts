import { Problem } from "@tenfold/base";
import { type CertificateRequest, fromBase64, fromPem, readCsr } from "@tenfold/pki";
import { type Refusal, type Refused, refuse } from "./attempt.ts";

/** [E5] A request larger than this is no PKCS#10 of a device. */
export const maximumRequestBytes = 16 * 1024;

/** Reads the body of an enrollment: base64 of DER with any white space [RFC 8951], or PEM. Proof of possession is verified. */
export function readRequest(body: Uint8Array): CertificateRequest | Refused {
  if (body.length > maximumRequestBytes) {
    return refuse({
      step: "request",
      because: "request_too_large",
      reason: `The request has ${body.length} bytes.`,
      fix: `A certificate request has at most ${maximumRequestBytes} bytes.`,
      status: 413,
    });
  }
  try {
    return readCsr(derOf(Buffer.from(body).toString("latin1")));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return refuse({
      step: "request",
      because: refusalFor(error.code),
      reason: error.message,
      fix: error.fix ?? "Send base64 of a DER PKCS#10 request.",
      status: 400,
    });
  }
}

const derOf = (text: string): Buffer =>
  text.includes("-----BEGIN") ? (fromPem("CERTIFICATE REQUEST", text)[0] ?? Buffer.alloc(0)) : fromBase64(text);

function refusalFor(code: string): Refusal {
  if (code === "csr_proof_failed") return "proof_of_possession_failed";
  return code === "algorithm_refused" ? "algorithm_refused" : "request_malformed";
}
