import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { renewalAnswer } from "@tenfold/contracts";
import { fromBase64 } from "@tenfold/pki";
import type { Link } from "./body.ts";
import { deviceProblems } from "./errors.ts";

export type RenewalTalk = {
  /** Asks over the link (docs/protocol/device.md D5); the new certificate as DER. Rejects as `Link.certify` does. */
  certify(csr: string): Promise<Buffer>;
  /** Takes an answer that came down; false where the message is none. */
  hear(topic: string, payload: string): boolean;
};

/** The platform answers when it has written the certificate down, within milliseconds. */
const answerMs = 15_000;

/** The device's side of a renewal over a link: which answer belongs to which request. */
export function renewalTalk(device: string, publish: Link["publish"], patienceMs = answerMs): RenewalTalk {
  const waiting = new Map<string, (payload: string) => void>();
  return {
    async certify(csr) {
      const request = createHash("sha256").update(csr).digest("hex");
      const answer = Promise.withResolvers<string>();
      const given = new AbortController();
      waiting.set(request, answer.resolve);
      const late = pause(patienceMs, undefined, { signal: given.signal }).then(() => {
        throw deviceProblems.publish_unanswered(`The request for a certificate was not answered within ${patienceMs / 1_000} s.`);
      });
      late.catch(() => {});
      try {
        // The answer may be here before the acknowledgement.
        await publish(`devices/${device}/identity/renewal`, csr);
        return certificateIn(await Promise.race([answer.promise, late]));
      } finally {
        waiting.delete(request);
        given.abort();
      }
    },
    hear(topic, payload) {
      if (topic !== `devices/${device}/identity/certificate`) return false;
      waiting.get(requestOf(payload) ?? "")?.(payload);
      return true;
    },
  };
}

function read(payload: string) {
  try {
    return renewalAnswer.safeParse(JSON.parse(payload)).data;
  } catch {
    return undefined;
  }
}

const requestOf = (payload: string): string | undefined => read(payload)?.request;

function certificateIn(payload: string): Buffer {
  const answer = read(payload);
  if (answer?.is === "issued") return fromBase64(answer.certificate);
  const told = answer === undefined ? "an answer that cannot be read" : `${answer.code}: ${answer.detail} ${answer.fix ?? ""}`;
  // Too often is about now; everything else is a no.
  if (answer?.retryAfterS === undefined) throw deviceProblems.enrollment_refused(`The renewal was refused: ${told}`.trim());
  throw deviceProblems.enrollment_unreachable(`The renewal was put off: ${told}`.trim(), { retryAfterS: answer.retryAfterS });
}
