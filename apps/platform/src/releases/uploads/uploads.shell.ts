import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { newId, Problem, type Scope } from "@tenfold/base";
import type { Actor } from "@tenfold/contracts";
import { heldArtifact, recordArtifact } from "../artifacts.shell.ts";
import type { ReleasesDeps } from "../deps.ts";
import { releaseProblems } from "../errors.ts";
import { pieceBytes, piecesOf } from "./pieces.ts";
import {
  advance,
  closeUpload,
  deletePart,
  deleteParts,
  deleteUpload,
  expiredUploads,
  findOpenUpload,
  findUpload,
  insertPart,
  insertUpload,
  lockQuota,
  markPartStored,
  openUploads,
  type Part,
  partsOf,
  type Upload,
} from "./store.ts";
import type { Creation } from "./tus.ts";

export type UploadDeps = Pick<
  ReleasesDeps,
  "db" | "blobs" | "parts" | "audit" | "clock" | "maxArtifactBytes" | "uploadQuotaBytes" | "uploadLifetimeMs"
>;
type Who = { scope: Scope; actor: Actor };

/** How many halves one actor may leave lying about. */
const mostOpen = 16;

/**
 * Begins an upload, or finds the one that the same actor has begun for the same bytes. An artifact that is already here is answered by an
 * upload that is complete: the same bytes cost nothing.
 */
export async function beginUpload(deps: UploadDeps, { scope, actor }: Who, { sha256, size }: Creation): Promise<Upload> {
  const { db, clock, maxArtifactBytes, uploadLifetimeMs } = deps;
  if (size > maxArtifactBytes)
    throw releaseProblems.upload_too_large(`An artifact may have at most ${maxArtifactBytes} bytes; this one has ${size}.`, {
      field: "headers.upload-length",
      fix: "The server's setting artifact.max.bytes says how many.",
    });
  const held = await heldArtifact(deps, scope, sha256);
  return db.transaction().execute(async (tx) => {
    await lockQuota(tx, scope);
    const open = held ? undefined : await findOpenUpload(tx, scope, { actor: actor.id, sha256 });
    if (open) return sameSize(open, size);
    const now = clock.now();
    const received = held ? held.size : 0;
    const id = newId("upl", now);
    const upload = {
      id,
      actor: actor.id,
      sha256,
      size: held?.size ?? size,
      received,
      createdAt: now,
      expiresAt: now + uploadLifetimeMs,
    };
    if (!held) assertRoom(deps, await openUploads(tx, scope), { actor, size });
    await insertUpload(tx, scope, { ...upload, completed: held !== undefined });
    return { ...upload, completed: held !== undefined };
  });
}

function sameSize(open: Upload, size: number): Upload {
  if (open.size === size) return open;
  throw releaseProblems.upload_conflict(
    `The upload ${open.id} of the same hash has ${open.size} bytes, and this one says ${size}. One of them is wrong.`,
    { field: "headers.upload-length", fix: `Remove the other: DELETE /api/v1/uploads/${open.id}.` },
  );
}

function assertRoom(
  { uploadQuotaBytes }: UploadDeps,
  open: readonly Upload[],
  { actor, size }: { actor: Actor; size: number },
): void {
  const fix = "Finish the others or remove them (tenfold artifact uploads); they expire by themselves.";
  const mine = open.filter((upload) => upload.actor === actor.id);
  if (mine.length >= mostOpen)
    throw releaseProblems.upload_quota_reached(`${actor.name} has ${mine.length} unfinished uploads, the most that there may be.`, {
      fix,
    });
  const promised = open.reduce((sum, upload) => sum + upload.size, 0);
  if (promised + size > uploadQuotaBytes)
    throw releaseProblems.upload_quota_reached(
      `Unfinished uploads may take ${uploadQuotaBytes} bytes together; ${promised} are promised, and this one needs ${size}.`,
      { fix },
    );
}

/** The actor's own upload. Another's is as unknown as one that never was. */
export async function needUpload({ db, clock }: UploadDeps, { scope, actor }: Who, id: string): Promise<Upload> {
  const upload = await findUpload(db, scope, id);
  if (upload && upload.actor === actor.id && upload.expiresAt > clock.now()) return upload;
  throw releaseProblems.upload_unknown(`There is no upload ${id}, or it has expired.`, { fix: "Begin a new one." });
}

/**
 * Takes bytes in, a piece at a time; each is durable before the next is read, so that a cut loses one piece at most. The last piece makes
 * the artifact, and is acknowledged only when the artifact's hash has been found right.
 */
export async function appendBytes(
  deps: UploadDeps,
  who: Who,
  { id, offset, source }: { id: string; offset: number; source: Readable },
): Promise<Upload> {
  let upload = await needUpload(deps, who, id);
  if (offset !== upload.received) throw movedOn(upload, offset);
  for await (const piece of piecesOf(source, pieceBytes)) {
    const end = upload.received + piece.length;
    if (end > upload.size || upload.completed)
      throw releaseProblems.upload_too_long(`The upload has ${upload.size} bytes, and more came.`, { field: "body" });
    if (end < upload.size) await storePart(deps, upload, piece);
    else await finish(deps, who, { upload, last: piece });
    upload = { ...upload, received: end, completed: end === upload.size };
  }
  return upload;
}

const movedOn = ({ id, received }: Upload, offset: number): Problem =>
  releaseProblems.upload_offset_mismatch(`The upload ${id} stands at ${received}, and these bytes begin at ${offset}.`, {
    field: "headers.upload-offset",
    fix: "Ask where it stands (HEAD) and go on from there.",
  });

/** Written down before it is stored: what a crash leaves behind belongs to an upload, and goes with it. */
async function storePart({ db, parts, clock, uploadLifetimeMs }: UploadDeps, upload: Upload, piece: Buffer): Promise<void> {
  const bytes = Buffer.concat([partMark(upload.id, upload.received), piece]);
  const part: Part = { at: upload.received, sha256: createHash("sha256").update(bytes).digest("hex"), size: piece.length };
  await insertPart(db, upload.id, part);
  await parts.put(Readable.from([bytes]), { sha256: part.sha256, maxBytes: bytes.length });
  const now = clock.now();
  const step = { id: upload.id, from: upload.received, to: upload.received + piece.length, at: now };
  const moved = await db.transaction().execute(async (tx) => {
    const mine = await advance(tx, step, { expiresAt: now + uploadLifetimeMs });
    if (mine) await markPartStored(tx, upload.id, { ...part, now });
    return mine;
  });
  if (moved) return;
  // Another request was faster with the same bytes or other ones. The same ones are that request's part now.
  if (!(await partsOf(db, upload.id, "stored")).some(({ at, sha256 }) => at === part.at && sha256 === part.sha256)) {
    await parts.remove(part.sha256);
    await deletePart(db, upload.id, part);
  }
  throw movedOn(upload, upload.received);
}

/** Stands before each part's bytes, so that no two uploads share a blob and removing one can never hurt the other. */
const partMark = (upload: string, at: number): Buffer => Buffer.from(`${upload}/${at}\n`);

async function finish(deps: UploadDeps, { scope, actor }: Who, { upload, last }: { upload: Upload; last: Buffer }): Promise<void> {
  const { db, blobs, clock, audit, uploadLifetimeMs } = deps;
  const { id, sha256, size, received } = upload;
  try {
    await blobs.put(Readable.from(joined(deps, upload, last)), { sha256, maxBytes: size });
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "blob_hash_mismatch") throw error;
    // Whatever came again would be added to the same wrong bytes.
    await discard(deps, id);
    throw releaseProblems.upload_hash_mismatch(`${error.message.replace(/\.$/, "")}, so the upload ${id} was removed.`, {
      cause: error,
      fix: "Upload the file again; it was changed while it was sent, or is another file.",
    });
  }
  const now = clock.now();
  await db.transaction().execute(async (tx) => {
    if (!(await advance(tx, { id, from: received, to: size, at: now }, { expiresAt: now + uploadLifetimeMs })))
      throw movedOn(upload, received);
    await recordArtifact(tx, { scope, actor, audit }, { sha256, size, createdAt: now });
  });
  await removeParts(deps, id);
}

async function* joined({ db, parts }: UploadDeps, upload: Upload, last: Buffer): AsyncGenerator<Buffer> {
  for (const { at, sha256, size } of await partsOf(db, upload.id, "stored")) {
    const start = partMark(upload.id, at).length;
    yield* parts.read(sha256, { start, end: start + size - 1 });
  }
  yield last;
}

/** Closed first, so that nobody adds to it; the rows go last, because they know what else there is. */
export async function discard(deps: UploadDeps, id: string): Promise<void> {
  await closeUpload(deps.db, { id, at: deps.clock.now() });
  await removeParts(deps, id);
  await deleteUpload(deps.db, id);
}

async function removeParts({ db, parts }: UploadDeps, id: string): Promise<void> {
  for (const { sha256 } of await partsOf(db, id, "all")) await parts.remove(sha256);
  await deleteParts(db, id);
}

/** Removes what nobody went on with. Safe to run twice, late and in parallel. */
export async function removeExpired(deps: UploadDeps, signal?: AbortSignal): Promise<number> {
  const expired = await expiredUploads(deps.db, { at: deps.clock.now(), limit: 100 });
  for (const id of expired) {
    if (signal?.aborted) break;
    await discard(deps, id);
  }
  return expired.length;
}
