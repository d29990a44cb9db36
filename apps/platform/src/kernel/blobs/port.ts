import type { Readable } from "node:stream";
import { defineProblems } from "@tenfold/base";

/** `blob_store_unavailable`: the store does not answer; the same call may succeed later. `blob_store_refused`: it says no, or is not what it should be. */
export const blobProblems = defineProblems({
  blob_hash_mismatch: 422,
  blob_too_large: 413,
  blob_store_unavailable: 503,
  blob_store_refused: 500,
});

export type PutOptions = {
  /** What the bytes must hash to, lower-case hex; other bytes are refused and leave nothing behind. */
  sha256?: string;
  maxBytes: number;
};

/**
 * Bytes by their SHA-256, in files or in an S3-compatible store; both run contract.testing.ts. A name that exists always has exactly its bytes, also after a power cut.
 */
export type Blobs = {
  put(source: Readable, options: PutOptions): Promise<{ sha256: string; size: number }>;
  /** Forgets the bytes. What is not there is no error. Only for those who know that nobody else counts on them. */
  remove(sha256: string): Promise<void>;
  stat(sha256: string): Promise<{ size: number } | undefined>;
  /** `end` is inclusive, as in HTTP ranges. */
  read(sha256: string, range?: { start: number; end: number }): Readable;
};
