import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";

/** Whether an image may be started, and what stands against it. */
export type Verdict = { is: "good"; version: string } | { is: "bad"; because: string };

/** The public keys in a PEM file: what a maker burns into a device. */
export function readKeys(path: string): KeyObject[] {
  const blocks = readFileSync(path, "utf8").match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g) ?? [];
  return blocks.map((pem) => createPublicKey(pem));
}

/** A slot of two files: `a.img`, and in `a.json` the signed release that it must be. */
export function verifyFiles(folder: string, slot: string, keys: readonly KeyObject[]): Verdict {
  try {
    const { release } = JSON.parse(readFileSync(join(folder, `${slot}.json`), "utf8"));
    const { signed, signatures } = release;
    const said = Buffer.from(canonical(signed));
    const trusted = (signatures as { sig: string }[]).some(({ sig }) =>
      keys.some((key) => verify(null, said, key, Buffer.from(sig, "hex"))),
    );
    if (!trusted) return bad("no signature by a key of this boot loader");
    const found = hashOf(join(folder, `${slot}.img`), { from: 0, size: Number.POSITIVE_INFINITY });
    if (found.size !== signed.artifact.size || found.sha256 !== signed.artifact.sha256)
      return bad("not the bytes that were signed");
    return { is: "good", version: String(signed.version) };
  } catch (error) {
    return bad(`unreadable: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export const headerBytes = 512;

/**
 * A slot that is one file or device: 512 bytes of JSON, filled up with spaces, `{"magic":"TFBOOT1","version","size","sha256","sig"}`, then the
 * image. `sig` is ed25519 over the canonical JSON of the others.
 */
export function verifyRaw(path: string, keys: readonly KeyObject[]): Verdict {
  try {
    const file = openSync(path, "r");
    const head = Buffer.alloc(headerBytes);
    readSync(file, head, 0, headerBytes, 0);
    closeSync(file);
    const { sig, ...said } = JSON.parse(head.toString("latin1").trimEnd());
    if (said.magic !== "TFBOOT1") return bad("no image");
    const bytes = Buffer.from(canonical(said));
    if (!keys.some((key) => verify(null, bytes, key, Buffer.from(sig, "hex"))))
      return bad("no signature by a key of this boot loader");
    const found = hashOf(path, { from: headerBytes, size: said.size });
    if (found.size !== said.size || found.sha256 !== said.sha256) return bad("not the bytes that were signed");
    return { is: "good", version: String(said.version) };
  } catch (error) {
    return bad(`unreadable: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const bad = (because: string): Verdict => ({ is: "bad", because });

/** RFC 8785 for what stands in such statements: texts, whole numbers, lists and objects. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, one]) => `${JSON.stringify(name)}:${canonical(one)}`).join(",")}}`;
}

function hashOf(path: string, { from, size }: { from: number; size: number }): { sha256: string; size: number } {
  const hash = createHash("sha256");
  const file = openSync(path, "r");
  const chunk = Buffer.alloc(1 << 20);
  let read = 0;
  try {
    for (;;) {
      const got = readSync(file, chunk, 0, Math.min(chunk.length, size - read), from + read);
      if (got === 0) break;
      hash.update(chunk.subarray(0, got));
      read += got;
    }
  } finally {
    closeSync(file);
  }
  return { sha256: hash.digest("hex"), size: read };
}
