import { createHash } from "node:crypto";
import { type Scope, seconds } from "@tenfold/base";
import type { RenewalAnswer } from "@tenfold/contracts";
import type { Clock, Database } from "../kernel/index.ts";
import type { Refused } from "./attempt.ts";
import type { Refusals } from "./attempt-log.shell.ts";
import { findByFingerprint } from "./certificate-store.shell.ts";
import type { EnrollmentDeps } from "./deps.ts";
import type { Enroll, EnrollOutcome } from "./enroll.shell.ts";
import type { RateLimit } from "./rate.ts";
import { hurriedRefusal } from "./rate.ts";

/** A certificate request that came up a device's own connection. `fingerprint` is that of the certificate which opened it. */
export type LinkRequest = {
  readonly device: string;
  readonly scope: Scope;
  readonly fingerprint?: string | undefined;
  readonly payload: Uint8Array;
  readonly remoteAddress?: string | undefined;
};

/** `stored`: it was decided, and the answer is on its way down. */
export type LinkReceipt = { is: "stored" } | { is: "refused"; because: string; detail: string };

export type LinkRenewalDeps = {
  db: Database;
  clock: Clock;
  enroll: Enroll;
  rate: RateLimit;
  refusals: Refusals;
  linking: "optional" | "required";
  send: NonNullable<EnrollmentDeps["send"]>;
};

/**
 * [docs/protocol/enrollment.md 3.11] A renewal over the connection that stands, by the rules of `simplereenroll`: the certificate with which the
 * connection was made is the one that is renewed. Acknowledged once it is decided and written down; an answer that is lost is given again to
 * the same request, here or over EST.
 */
export function createLinkRenewal(deps: LinkRenewalDeps): (request: LinkRequest) => Promise<LinkReceipt> {
  return async ({ device, scope, fingerprint, payload, remoteAddress }) => {
    const shown = fingerprint === undefined ? undefined : await findByFingerprint(deps.db, fingerprint);
    if (shown === undefined)
      return { is: "refused", because: "renewal_needs_link", detail: "Renew over MQTT, or by EST's simplereenroll." };
    const wait = deps.rate.take(shown.fingerprint, deps.clock.now());
    const outcome =
      wait > 0
        ? await hurry(deps, scope, { wait, device, fingerprint: shown.fingerprint, remoteAddress })
        : await deps.enroll({
            operation: "link_renewal",
            body: payload,
            shown: { chain: [shown.der], basic: undefined },
            remoteAddress,
            // What was said on a connection is said on no other, so nothing can be named here; where a request must name one, EST is the way.
            linking: { demand: deps.linking, binding: undefined },
          });
    const request = createHash("sha256").update(payload).digest("hex");
    deps.send(device, { topic: "identity/certificate", payload: JSON.stringify(answerTo(request, outcome)) });
    return { is: "stored" };
  };
}

type Hurry = { wait: number; device: string; fingerprint: string; remoteAddress: string | undefined };

async function hurry({ refusals }: LinkRenewalDeps, scope: Scope, { wait, device, ...from }: Hurry): Promise<Refused> {
  const refused = hurriedRefusal(wait);
  await refusals.note(scope, {
    ...refused,
    ...from,
    operation: "link_renewal",
    method: "ldevid",
    verdict: "refused",
    device,
    serial: device,
  });
  return refused;
}

function answerTo(request: string, outcome: EnrollOutcome): RenewalAnswer {
  if (outcome.is === "issued") return { is: "issued", request, certificate: outcome.der.toString("base64") };
  const retryAfterS = outcome.retryAfter === undefined ? {} : { retryAfterS: Math.ceil(outcome.retryAfter / seconds(1)) };
  // A certificate of ours never waits for a person.
  if (outcome.is === "pending")
    return { is: "refused", request, code: "approval_needed", detail: "It waits for approval.", ...retryAfterS };
  return { is: "refused", request, code: outcome.because, detail: outcome.reason, fix: outcome.fix, ...retryAfterS };
}
