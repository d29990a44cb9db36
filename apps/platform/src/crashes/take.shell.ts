import type { Readable } from "node:stream";
import { hours, newId, type Scope } from "@tenfold/base";
import { type Crash, type CrashKind, crashKind } from "@tenfold/contracts";
import type { FastifyRequest } from "fastify";
import type { CrashesDeps } from "./deps.ts";
import { crashProblems } from "./errors.ts";
import { headBytes, signatureOf } from "./signature.ts";
import { findSame, insertCrash, lockBytes, sentSince } from "./store.ts";

/** What one device may send in an hour: a device in a boot loop has something new to tell every minute, and the first of it is enough. */
const mostAnHour = 30;
const mostBytesAnHour = 256 * 1_024 * 1_024;

export function kindOf(request: FastifyRequest): CrashKind {
  const { kind } = request.params as { kind?: string };
  const known = crashKind.safeParse(kind);
  if (known.success) return known.data;
  throw crashProblems.crash_kind_unknown(`"${String(kind).slice(0, 40)}" is no kind of crash artifact.`, {
    fix: `One of ${crashKind.options.join(", ")}.`,
  });
}

type Told = { bootId?: string; version?: string; build?: string; sha256?: string };

/** What the device says of the crash, in headers, so that the body is the bytes and nothing else. */
export function toldBy(request: FastifyRequest): Told {
  const header = (name: string, pattern: RegExp): string | undefined => {
    const value = request.headers[name];
    if (value === undefined || value === "") return undefined;
    if (typeof value === "string" && pattern.test(value)) return value;
    throw crashProblems.crash_header_invalid(`The header ${name} is not what it should be.`, { field: name });
  };
  const hash = /^[0-9a-f]{64}$/;
  const [bootId, version] = [header("tenfold-boot", /^[\x21-\x7e]{1,64}$/), header("tenfold-firmware", /^[\x21-\x7e]{1,64}$/)];
  const [build, sha256] = [header("tenfold-build", hash), header("tenfold-sha256", hash)];
  return {
    ...(bootId === undefined ? {} : { bootId }),
    ...(version === undefined ? {} : { version }),
    ...(build === undefined ? {} : { build }),
    ...(sha256 === undefined ? {} : { sha256 }),
  };
}

type Taking = { device: string; kind: CrashKind; told: Told; source: Readable };

/**
 * Takes a crash artifact in: bytes first, the row second, the answer last. Safe to repeat: the same bytes are one crash. Throws
 * `crash_too_many` (before a byte is read), `blob_too_large`, `blob_hash_mismatch`, `crash_empty`.
 */
export async function takeCrash(
  deps: CrashesDeps,
  scope: Scope,
  { device, kind, told, source }: Taking,
): Promise<{ crash: Crash; created: boolean }> {
  const { db, blobs, bus, clock, maxBytes, keepMs } = deps;
  const known = told.sha256 === undefined ? undefined : await findSame(db, scope, { device, kind, sha256: told.sha256 });
  if (known) {
    source.resume();
    return { crash: known, created: false };
  }
  const sent = await sentSince(db, scope, { device, since: clock.now() - hours(1) });
  if (sent.crashes >= mostAnHour || sent.bytes >= mostBytesAnHour)
    throw crashProblems.crash_too_many(
      `${device} has sent ${sent.crashes} crash artifacts within the hour; what it has now can wait.`,
      {
        retryAfterS: 600,
      },
    );
  const put = await blobs.put(source, { maxBytes, ...(told.sha256 === undefined ? {} : { sha256: told.sha256 }) });
  if (put.size === 0) throw crashProblems.crash_empty("There is nothing in it.");
  const signature = signatureOf(kind, await headOf(deps, put));
  const receivedAt = clock.now();
  const exposure = await deps.exposureOf(scope, device, receivedAt);
  const stored = await db.transaction().execute(async (tx) => {
    await lockBytes(tx, put.sha256);
    const { sha256: _, ...said } = told;
    const row = {
      id: newId("crs", receivedAt),
      device,
      kind,
      ...put,
      ...said,
      ...signature,
      receivedAt,
      exposure,
      keepUntil: receivedAt + keepMs,
    };
    const answer = await insertCrash(tx, scope, row);
    // A removal may have taken the bytes between their arrival and the lock: then the device sends them again.
    if ((await blobs.stat(put.sha256)) === undefined)
      throw crashProblems.crash_too_many("The bytes were just being removed; send them again.", { retryAfterS: 1 });
    return answer;
  });
  if (stored.created) {
    const { id, title, rollout } = stored.crash;
    bus.publish({
      type: "crash.received",
      subject: device,
      data: { crash: id, kind, title, signature: signature.signature, ...(rollout ? { rollout } : {}) },
    });
  }
  return stored;
}

async function headOf({ blobs }: CrashesDeps, { sha256, size }: { sha256: string; size: number }): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of blobs.read(sha256, { start: 0, end: Math.min(size, headBytes) - 1 })) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
