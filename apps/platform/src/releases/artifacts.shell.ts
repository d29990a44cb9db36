import type { Readable } from "node:stream";
import type { Scope } from "@tenfold/base";
import type { Actor } from "@tenfold/contracts";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Audit } from "../access/index.ts";
import type { Blobs, Queryable, Transaction } from "../kernel/index.ts";
import type { ReleasesDeps, ReleasesParts } from "./deps.ts";
import { releaseProblems } from "./errors.ts";
import { markMended } from "./integrity/store.ts";
import { etagOf, portionOf } from "./range.ts";
import { mending } from "./release.ts";
import { findArtifact, insertArtifact, type StoredArtifact } from "./store.ts";

/** A hash from a path, or a Problem: what is no hash never reaches the blob store. */
export function sha256From(request: FastifyRequest): string {
  const { sha256 = "" } = request.params as { sha256?: string };
  if (/^[0-9a-f]{64}$/.test(sha256)) return sha256;
  throw releaseProblems.artifact_hash_invalid("An artifact is named by its SHA-256: 64 digits of lower-case hex.", {
    field: "params.sha256",
  });
}

type Sent = { sha256: string; source: Readable };

/** Stores bytes first and the row second: a row promises bytes. Safe to repeat; a repetition reads and drops the body. */
export async function storeArtifact(
  { db, blobs, clock, audit, maxArtifactBytes }: ReleasesDeps,
  { scope, actor }: { scope: Scope; actor: Actor },
  { sha256, source }: Sent,
): Promise<{ artifact: StoredArtifact; created: boolean }> {
  const existing = await heldArtifact({ db, blobs }, scope, sha256);
  if (existing) {
    source.resume();
    return { artifact: existing, created: false };
  }
  const { size } = await blobs.put(source, { sha256, maxBytes: maxArtifactBytes });
  const artifact = { sha256, size, createdAt: clock.now() };
  await db.transaction().execute((tx) => recordArtifact(tx, { scope, actor, audit }, artifact));
  return { artifact: (await findArtifact(db, scope, sha256)) ?? artifact, created: true };
}

/** Writes an artifact down whose bytes are stored. The first time counts, and that they are right again where they were damaged. */
export async function recordArtifact(
  tx: Transaction,
  { scope, actor, audit }: { scope: Scope; actor: Actor; audit: Audit },
  artifact: StoredArtifact,
): Promise<void> {
  const isNew = await insertArtifact(tx, scope, artifact);
  // Bytes have one place: where another fleet knew them to be damaged, they are mended for it as well.
  const isMended = await markMended(tx, { sha256: artifact.sha256, at: artifact.createdAt });
  const is = isNew ? "uploaded" : isMended ? "mended" : undefined;
  if (is === undefined) return;
  await audit(tx, scope, {
    actor,
    action: `artifact.${is}`,
    subject: { kind: "artifact", id: artifact.sha256 },
    detail: { size: artifact.size },
  });
}

/** The artifact when both its row and its bytes are there, as far as is known. What the disk damaged is sent again like something new. */
export async function heldArtifact(
  { db, blobs }: { db: Queryable; blobs: Blobs },
  scope: Scope,
  sha256: string,
): Promise<StoredArtifact | undefined> {
  const artifact = await findArtifact(db, scope, sha256);
  if (artifact === undefined || artifact.damagedAt !== undefined) return undefined;
  return (await blobs.stat(sha256))?.size === artifact.size ? artifact : undefined;
}

export type Exchange = { request: FastifyRequest; reply: FastifyReply };

/** Answers GET and HEAD with the artifact or the asked part of it. */
export async function sendArtifact(
  deps: Pick<ReleasesParts, "db" | "blobs" | "integrity">,
  scope: Scope,
  { sha256, request, reply }: Exchange & { sha256: string },
): Promise<FastifyReply> {
  const artifact = await findArtifact(deps.db, scope, sha256);
  if (!artifact) throw releaseProblems.artifact_unknown(`There is no artifact ${sha256}.`);
  if ((await deps.integrity.judge(artifact)) === "damaged")
    throw releaseProblems.artifact_damaged(`The stored bytes of the artifact ${sha256} are damaged, so it is not sent.`, {
      fix: mending,
    });
  reply.headers({
    ETag: etagOf(sha256),
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, max-age=31536000, immutable",
    "Content-Type": "application/octet-stream",
  });
  const { range, "if-range": ifRange, "if-none-match": ifNoneMatch } = request.headers;
  const portion = portionOf({ range, ifRange: one(ifRange), ifNoneMatch }, artifact);
  switch (portion.is) {
    case "not_modified":
      return reply.status(304).send();
    case "unsatisfiable":
      return reply
        .status(416)
        .header("Content-Range", `bytes */${artifact.size}`)
        .header("Content-Type", "text/plain")
        .send("The range begins behind the artifact's end.\n");
    case "part":
      reply.status(206).headers({
        "Content-Range": `bytes ${portion.start}-${portion.end}/${artifact.size}`,
        "Content-Length": String(portion.end - portion.start + 1),
      });
      return reply.send(request.method === "HEAD" ? undefined : deps.blobs.read(sha256, portion));
    case "whole":
      reply.header("Content-Length", String(artifact.size));
      return reply.send(request.method === "HEAD" ? undefined : deps.blobs.read(sha256));
  }
}

const one = (header: string | string[] | undefined): string | undefined => (Array.isArray(header) ? header[0] : header);
