import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { describeError, Problem, seconds } from "@tenfold/base";
import type { ReleasesDeps } from "../deps.ts";
import type { StoredArtifact } from "../store.ts";
import { type Bytes, markDamaged, markSound, nextToCheck } from "./store.ts";

/** How artifacts are read again: each so often, and not faster than this. */
export type Checks = { everyMs: number; bytesPerSecond: number };

export type Integrity = {
  /**
   * Whether an artifact may be sent. Its length is looked at each time; its bytes are read whole when they are asked for the first time since this
   * process began, once for all who ask meanwhile. Who asks waits 5 s at most: what takes longer is sent, and found by the device's own check.
   */
  judge(artifact: StoredArtifact): Promise<"sound" | "damaged">;
  /** Reads what was checked longest ago, slowly. False where nothing is due, or the store does not answer. */
  checkNext(signal: AbortSignal): Promise<boolean>;
};

type Parts = Pick<ReleasesDeps, "db" | "blobs" | "clock" | "log">;
type Found = { is: "sound" } | { is: "damaged"; damage: string } | { is: "unknown"; because: string };

const patienceMs = seconds(5);

/** Without `checks` only lengths are looked at: an S3 store keeps checksums itself, and reading it costs. */
export function createIntegrity(parts: Parts, checks: Checks | undefined): Integrity {
  const sound = new Set<string>();
  const underWay = new Map<string, Promise<Found>>();
  const firstRead = (artifact: StoredArtifact): Promise<Found> => {
    const { sha256 } = artifact;
    const reading = underWay.get(sha256) ?? settle(parts, artifact, {}).finally(() => underWay.delete(sha256));
    underWay.set(sha256, reading);
    return reading;
  };
  return {
    async judge(artifact) {
      if (artifact.damagedAt !== undefined) return "damaged";
      if (!(await hasItsLength(parts, artifact))) return "damaged";
      if (checks === undefined || sound.has(artifact.sha256)) return "sound";
      const found = await withPatience(firstRead(artifact));
      if (found?.is === "sound") sound.add(artifact.sha256);
      return found?.is === "damaged" ? "damaged" : "sound";
    },
    async checkNext(signal) {
      if (checks === undefined) return false;
      const due = await nextToCheck(parts.db, parts.clock.now() - checks.everyMs);
      if (due === undefined) return false;
      const found = await settle(parts, due, { signal, bytesPerSecond: checks.bytesPerSecond });
      if (found.is === "unknown") parts.log.warn("artifact.not_checked", { sha256: due.sha256, because: found.because });
      return found.is !== "unknown";
    },
  };
}

async function hasItsLength(parts: Parts, artifact: StoredArtifact): Promise<boolean> {
  const found = await parts.blobs.stat(artifact.sha256);
  if (found?.size === artifact.size) return true;
  const damage = found === undefined ? "its bytes are gone" : `it has ${found.size} bytes in place of ${artifact.size}`;
  await noteDamage(parts, artifact, damage);
  return false;
}

type Reading = { signal?: AbortSignal; bytesPerSecond?: number };

/** Reads the bytes and writes down what was found. */
async function settle(parts: Parts, bytes: Bytes, reading: Reading): Promise<Found> {
  const found = await read(parts, bytes, reading);
  if (found.is === "sound") await markSound(parts.db, bytes, parts.clock.now());
  if (found.is === "damaged") await noteDamage(parts, bytes, found.damage);
  return found;
}

async function read({ blobs }: Parts, { sha256, size }: Bytes, { signal, bytesPerSecond }: Reading): Promise<Found> {
  const hash = createHash("sha256");
  const [began, unhurried] = [performance.now(), bytesPerSecond === undefined ? 0 : 1_000 / bytesPerSecond];
  let came = 0;
  try {
    // A blob's stream yields Buffers.
    for await (const chunk of blobs.read(sha256) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      came += chunk.length;
      const ahead = came * unhurried - (performance.now() - began);
      if (ahead > 20) await pause(ahead, undefined, signal ? { signal } : {});
      if (signal?.aborted) return { is: "unknown", because: "the platform is stopping" };
    }
  } catch (error) {
    // A store that does not answer says nothing about its bytes; a disk that cannot read them does.
    if (signal?.aborted || error instanceof Problem) return { is: "unknown", because: describeError(error) };
    return { is: "damaged", damage: `it cannot be read: ${describeError(error)}` };
  }
  const found = hash.digest("hex");
  if (found === sha256) return { is: "sound" };
  const damage = came === size ? `its ${size} bytes hash to ${found}` : `it has ${came} bytes in place of ${size}`;
  return { is: "damaged", damage };
}

async function noteDamage({ db, clock, log }: Parts, bytes: Bytes, damage: string): Promise<void> {
  const first = await markDamaged(db, bytes, { at: clock.now(), damage });
  if (first) log.error("artifact.damaged", { sha256: bytes.sha256, damage });
}

async function withPatience<T>(working: Promise<T>): Promise<T | undefined> {
  const enough = new AbortController();
  const late = pause(patienceMs, undefined, { signal: enough.signal }).catch(() => undefined);
  try {
    return await Promise.race([working, late]);
  } finally {
    enough.abort();
  }
}
