import { createHash } from "node:crypto";
import { defineProblems, describeError, hours, type Problem } from "@tenfold/base";
import type { Operation } from "@tenfold/contracts";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Database } from "../postgres/index.ts";
import { type Claim, claim, forgetOld, giveBack, type Kept, keep } from "./idempotency-store.ts";
import { httpProblems } from "./problems.ts";

export const idempotencyProblems = defineProblems({
  idempotency_key_reused: 409,
  idempotency_request_running: 409,
  idempotency_answer_secret: 409,
});

export type IdempotencyDeps = { db: Database; clock: Clock; log: Log };

const keyPattern = /^[\x21-\x7e]{1,200}$/;
const pruneMs = hours(1);

/**
 * `Idempotency-Key` on POST (docs/protocol/http-api.md, A5 to A10): a request that comes again with the key of an earlier one is answered as the
 * first was, and does nothing. Recorded before the act, so that of two at the same time one acts. A failure of ours (500 and more) and
 * "too many requests" give the key back.
 */
export function idempotency(app: FastifyInstance, { db, clock, log }: IdempotencyDeps): void {
  const claims = new WeakMap<FastifyRequest, Claim>();
  let prunedAt = Number.NEGATIVE_INFINITY;

  app.addHook("preHandler", async (request, reply) => {
    const wish = claimOf(request, new Date(clock.now()));
    if (wish === undefined) return;
    const found = await claim(db, wish);
    if (found !== "taken") return answerAgain(reply, wish, found);
    claims.set(request, wish);
    if (clock.now() - prunedAt < pruneMs) return;
    prunedAt = clock.now();
    await forgetOld(db, prunedAt);
  });

  app.addHook("onSend", async (request, reply, payload: unknown) => {
    const mine = claims.get(request);
    if (mine === undefined) return payload;
    claims.delete(request);
    const { statusCode: status } = reply;
    const answer = isSecret(request.routeOptions.config.operation, status) ? null : String(payload);
    // The act is done and stands, whatever becomes of this note; without it the key is free again when its time is over.
    await (status >= 500 || status === 429 ? giveBack(db, mine) : keep(db, mine, { status, answer })).catch((error: unknown) =>
      log.warn("http.idempotency_not_kept", { operation: mine.operation, because: describeError(error) }),
    );
    return payload;
  });
}

const isSecret = (operation: Operation | undefined, status: number): boolean => operation?.answer === "shown_once" && status < 400;

/** A key means something for a change that somebody known makes. */
const takesKey = (operation: Operation | undefined): operation is Operation =>
  operation?.method === "POST" && operation.permission !== "anyone" && !operation.permission.endsWith(".read");

/** What this request takes its key for; undefined where it needs none. */
function claimOf({ routeOptions, headers, identity, params, query, body }: FastifyRequest, at: Date): Claim | undefined {
  const { operation } = routeOptions.config;
  const key = headers["idempotency-key"];
  if (key === undefined || identity === undefined || !takesKey(operation)) return undefined;
  if (typeof key !== "string" || !keyPattern.test(key))
    throw httpProblems.input_invalid("An Idempotency-Key has 1 to 200 visible ASCII characters.", {
      field: "headers.idempotency-key",
    });
  // Validated parts stand in the order of their schemas, so the same request has the same text.
  const requestSha256 = createHash("sha256")
    .update(JSON.stringify([params, query, body]))
    .digest();
  return { fleet: identity.scope.fleet, actor: identity.actor.id, key, operation: operation.name, requestSha256, at };
}

function answerAgain(reply: FastifyReply, wish: Claim, kept: Kept): FastifyReply {
  const { status, answer } = kept;
  if (kept.operation !== wish.operation || !kept.requestSha256.equals(wish.requestSha256)) throw reused(kept);
  if (status === null)
    throw idempotencyProblems.idempotency_request_running(
      `The first ${wish.operation} with this Idempotency-Key is still at work.`,
      {
        retryAfterS: 1,
        fix: "Send the same request again in a second.",
      },
    );
  if (answer === null)
    throw idempotencyProblems.idempotency_answer_secret(
      `${wish.operation} was done with this Idempotency-Key. Its answer held a secret, which is shown once and kept nowhere.`,
      { fix: "If the first answer was lost, revoke what it made and ask again with another key." },
    );
  const type = status >= 400 ? "application/problem+json; charset=utf-8" : "application/json; charset=utf-8";
  return reply.status(status).header("Content-Type", type).header("Idempotency-Replayed", "true").send(answer);
}

const reused = ({ operation }: Kept): Problem =>
  idempotencyProblems.idempotency_key_reused(`This Idempotency-Key was used for another request (${operation}).`, {
    field: "headers.idempotency-key",
    fix: "Make a new key for each new request; use one again only to repeat the same request.",
  });
