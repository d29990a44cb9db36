import { createHash } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { httpProblems } from "./problems.ts";

/**
 * Every GET operation answers an ETag [RFC 9110 8.8.3] over the bytes of its answer, and 304 to a reader that has them. `If-Match` is
 * refused rather than overlooked: an edit that asks for a condition must not happen without it.
 */
export function etags(app: FastifyInstance): void {
  app.addHook("onRequest", async ({ routeOptions, headers }) => {
    if (routeOptions.config.operation !== undefined && headers["if-match"] !== undefined)
      throw httpProblems.precondition_unsupported(
        `${routeOptions.config.operation.name} cannot be bound to a version by If-Match.`,
        {
          field: "headers.if-match",
          fix: "Leave the header out. Edits name only the fields that they change, so that two of different fields do not collide.",
        },
      );
  });
  app.addHook("onSend", async (request, reply, payload: unknown) => {
    if (request.routeOptions.config.operation?.method !== "GET" || reply.statusCode !== 200 || typeof payload !== "string")
      return payload;
    const etag = `"${createHash("sha256").update(payload).digest("base64url").slice(0, 22)}"`;
    reply.header("ETag", etag).header("Cache-Control", "private, no-cache");
    if (!matches(request.headers["if-none-match"], etag)) return payload;
    reply.status(304).removeHeader("Content-Type").removeHeader("Content-Length");
    return null;
  });
}

/** [RFC 9110 13.1.2] Weak comparison: a cache on the way may have marked ours as weak. */
export function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(",").some((one) => ["*", etag].includes(one.trim().replace(/^W\//, "")));
}
