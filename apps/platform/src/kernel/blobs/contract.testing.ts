/** What every store of artifacts promises, whatever it stands on. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import type { Blobs } from "./port.ts";

const hashOf = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
const most = { maxBytes: 100 * 1024 * 1024 };

/** In pieces of uneven sizes, as a network brings them. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7) % 65_521 || 1) yield bytes.subarray(at, at + size);
}

/** Registers the suite for one side; `begin` opens a store of the test's own. */
export function blobsContract(
  side: string,
  begin: () => Promise<AsyncDisposable & { blobs: Blobs }>,
  options: { skip?: string } = {},
): void {
  const promise = (name: string, run: (blobs: Blobs) => Promise<void>) =>
    test(`${side}: ${name}`, { ...options, timeout: 60_000 }, async () => {
      await using world = await begin();
      await run(world.blobs);
    });

  promise("what is put is read again byte for byte, whole and in parts", async (blobs) => {
    const bytes = randomBytes(3 * 1024 * 1024 + 17);
    const { sha256, size } = await blobs.put(Readable.from(pieces(bytes)), most);
    assert.deepEqual([sha256, size], [hashOf(bytes), bytes.length]);
    assert.deepEqual(await blobs.stat(sha256), { size });
    assert.ok((await buffer(blobs.read(sha256))).equals(bytes));
    for (const [start, end] of [
      [0, 0],
      [1, 1_048_577],
      [size - 5, size - 1],
    ] as const)
      assert.ok((await buffer(blobs.read(sha256, { start, end }))).equals(bytes.subarray(start, end + 1)), `${start}-${end}`);
  });

  promise("the empty artifact is one like any other", async (blobs) => {
    const { sha256 } = await blobs.put(Readable.from([]), most);
    assert.deepEqual(await blobs.stat(sha256), { size: 0 });
    assert.equal((await buffer(blobs.read(sha256))).length, 0);
  });

  promise("other bytes than announced are refused, and neither name exists afterwards", async (blobs) => {
    const [bytes, wanted] = [randomBytes(1_000), hashOf(randomBytes(1_000))];
    await assert.rejects(blobs.put(Readable.from([bytes]), { ...most, sha256: wanted }), { code: "blob_hash_mismatch" });
    assert.equal(await blobs.stat(wanted), undefined);
    assert.equal(await blobs.stat(hashOf(bytes)), undefined);
  });

  promise("what is too large is refused before its end, and does not exist", async (blobs) => {
    const bytes = randomBytes(5_000);
    await assert.rejects(blobs.put(Readable.from(pieces(bytes)), { maxBytes: 4_999 }), { code: "blob_too_large" });
    assert.equal(await blobs.stat(hashOf(bytes)), undefined);
  });

  promise("an upload that breaks off leaves nothing under any name", async (blobs) => {
    const bytes = randomBytes(200_000);
    const broken = Readable.from(
      (function* () {
        yield bytes.subarray(0, 100_000);
        throw new Error("the connection broke");
      })(),
    );
    await assert.rejects(blobs.put(broken, { ...most, sha256: hashOf(bytes) }));
    assert.equal(await blobs.stat(hashOf(bytes)), undefined);
    assert.equal(await blobs.stat(hashOf(bytes.subarray(0, 100_000))), undefined);
  });

  promise("the same bytes may be put twice, also at the same time", async (blobs) => {
    const bytes = randomBytes(70_000);
    const put = () => blobs.put(Readable.from(pieces(bytes)), { ...most, sha256: hashOf(bytes) });
    await Promise.all([put(), put()]);
    await put();
    assert.ok((await buffer(blobs.read(hashOf(bytes)))).equals(bytes));
  });

  promise("what is removed is gone, and what is not there can be removed", async (blobs) => {
    const bytes = randomBytes(500);
    const { sha256 } = await blobs.put(Readable.from([bytes]), most);
    await blobs.remove(sha256);
    assert.equal(await blobs.stat(sha256), undefined);
    await blobs.remove(sha256);
    await assert.rejects(buffer(blobs.read(sha256)));
  });
}
