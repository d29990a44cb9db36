import { createHash } from "node:crypto";
import { describeError } from "@tenfold/base";
import type { DdiDeps } from "./deps.ts";
import { type Digest, suffixOf } from "./documents.ts";
import { findDigest, insertDigest } from "./store.ts";

export type Digests = {
  /** SHA-1 and MD5 of an artifact; undefined when it is so large that they are still being worked out, or its bytes are gone. */
  of(sha256: string): Promise<Digest | undefined>;
};

/** How long a poll may wait. What takes longer is there at one of the next polls. */
const patienceMs = 2_000;
/** Bytes never change under their hash, so that what was found once need not be looked up again. */
const mostRemembered = 256;

/** Works the older hashes out once for each artifact, when the first device behind DDI asks, and keeps them. */
export function createDigests({ db, blobs, log }: Pick<DdiDeps, "db" | "blobs" | "log">): Digests {
  const underWay = new Map<string, Promise<Digest | undefined>>();
  const remembered = new Map<string, Digest>();
  const remember = (sha256: string, digest: Digest): Digest => {
    remembered.set(sha256, digest);
    const [oldest] = remembered.keys();
    if (remembered.size > mostRemembered && oldest !== undefined) remembered.delete(oldest);
    return digest;
  };
  const work = async (sha256: string): Promise<Digest | undefined> => {
    try {
      const digest = await digestOf(blobs, sha256);
      await insertDigest(db, sha256, digest);
      return digest;
    } catch (error) {
      log.warn("ddi.artifact_unreadable", { sha256, because: describeError(error) });
      return undefined;
    } finally {
      underWay.delete(sha256);
    }
  };
  return {
    async of(sha256) {
      const known = remembered.get(sha256) ?? (await findDigest(db, sha256));
      if (known) return remember(sha256, known);
      const working = underWay.get(sha256) ?? work(sha256);
      underWay.set(sha256, working);
      return withPatience(working);
    },
  };
}

async function withPatience<T>(working: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), patienceMs);
  });
  try {
    return await Promise.race([working, enough]);
  } finally {
    clearTimeout(timer);
  }
}

async function digestOf(blobs: DdiDeps["blobs"], sha256: string): Promise<Digest> {
  const [own, sha1, md5] = [createHash("sha256"), createHash("sha1"), createHash("md5")];
  let head = Buffer.alloc(0);
  for await (const chunk of blobs.read(sha256)) {
    // A file's stream yields Buffers.
    const bytes = chunk as Buffer;
    if (head.length < 8) head = Buffer.concat([head, bytes.subarray(0, 8)]);
    own.update(bytes);
    sha1.update(bytes);
    md5.update(bytes);
  }
  // Kept for ever: hashes of damaged bytes would outlive the damage.
  if (own.digest("hex") !== sha256) throw new Error("Its bytes are not those of its name.");
  return { sha1: sha1.digest("hex"), md5: md5.digest("hex"), suffix: suffixOf(head) };
}
