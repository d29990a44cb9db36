import type { EnrollOutcome } from "./enroll.shell.ts";

/** An answer as it goes onto the wire. Header names are written exactly so: libest compares them byte by byte. */
export type EstAnswer = { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string };

/**
 * [E10] Clients that read base64 in one line only (strongSwan, est-ca) name themselves by no User-Agent; those that need lines (libest, openssl
 * behind curl) do, and everybody else reads both: lines of 64 with LF.
 */
export function wrapBase64(bytes: Uint8Array, client: { userAgent: string | undefined }): string {
  const text = Buffer.from(bytes).toString("base64");
  if (client.userAgent === undefined) return text;
  return `${(text.match(/.{1,64}/g) ?? []).join("\n")}\n`;
}

/** [E6] [E9] */
export const certificatesAnswer = (body: string): EstAnswer => ({
  status: 200,
  headers: { "Content-Type": "application/pkcs7-mime; smime-type=certs-only", "Content-Transfer-Encoding": "base64" },
  body,
});

export const attributesAnswer = (body: string): EstAnswer => ({
  status: 200,
  headers: { "Content-Type": "application/csrattrs", "Content-Transfer-Encoding": "base64" },
  body,
});

/** [E14] One line for a person, no internals. */
export const textAnswer = (status: number, line: string, headers: Record<string, string> = {}): EstAnswer => ({
  status,
  headers: { "Content-Type": "text/plain; charset=utf-8", ...headers },
  body: `${line.replace(/\s+/g, " ")}\n`,
});

/** What a device is told when it got no certificate. */
export function outcomeAnswer(
  outcome: Exclude<EnrollOutcome, { is: "issued" }>,
  client: { userAgent: string | undefined },
): EstAnswer {
  // [E13] Seconds, and an empty body.
  if (outcome.is === "pending")
    return { status: 202, headers: { "Retry-After": String(Math.ceil(outcome.retryAfter / 1_000)) }, body: "" };
  // [E27] Bouncy Castle closes the first challenge unread, and an unread body is an error to it. Who names itself is told in words.
  const isChallenge = outcome.because === "not_authenticated" && client.userAgent === undefined;
  const answer = refusalAnswer(outcome);
  return isChallenge ? { ...answer, body: "" } : answer;
}

function refusalAnswer(outcome: Extract<EnrollOutcome, { is: "refused" }>): EstAnswer {
  return textAnswer(outcome.status, `${outcome.because}: ${outcome.reason} ${outcome.fix}`, {
    ...(outcome.status === 401 ? { "WWW-Authenticate": 'Basic realm="estrealm"' } : {}),
    ...(outcome.retryAfter === undefined ? {} : { "Retry-After": String(Math.ceil(outcome.retryAfter / 1_000)) }),
  });
}
