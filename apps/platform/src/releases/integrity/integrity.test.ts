import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { defaultScope as scope } from "@tenfold/base";
import { systemActor } from "../../access/index.ts";
import { blobProblems, openBlobs, silentLog } from "../../kernel/index.ts";
import { testDatabase } from "../../kernel/testing.ts";
import { recordArtifact } from "../artifacts.shell.ts";
import { findArtifact, insertArtifact, type StoredArtifact } from "../store.ts";
import { createIntegrity } from "./integrity.shell.ts";
import { damagedArtifacts, markDamaged, markMended } from "./store.ts";

const hashOf = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const week = 7 * 86_400_000;

/** Artifacts in real files, a clock that can be moved, and what reads them again. */
async function integrityWorld() {
  const database = await testDatabase();
  const { db } = database;
  const folder = await mkdtemp(join(tmpdir(), "tenfold-integrity-"));
  const blobs = await openBlobs(folder);
  let now = Date.UTC(2026, 3, 1);
  const parts = { db, blobs, clock: { now: () => now }, log: silentLog };
  const checks = { everyMs: week, bytesPerSecond: 50_000_000 };
  const { signal } = new AbortController();
  const find = async (sha256: string): Promise<StoredArtifact> => {
    const found = await findArtifact(db, scope, sha256);
    assert.ok(found);
    return found;
  };
  return {
    parts,
    find,
    pass: (ms: number) => {
      now += ms;
    },
    started: (over: Partial<typeof parts> = {}) => createIntegrity({ ...parts, ...over }, checks),
    unchecked: () => createIntegrity(parts, undefined),
    fileOf: (sha256: string) => join(folder, sha256.slice(0, 2), sha256),
    async store(bytes: Buffer): Promise<string> {
      const { sha256, size } = await blobs.put(Readable.from([bytes]), { maxBytes: bytes.length });
      await db.transaction().execute((tx) => insertArtifact(tx, scope, { sha256, size, createdAt: now }));
      return sha256;
    },
    /** All that are due; the number of those that were read. */
    async checkAll(integrity: ReturnType<typeof createIntegrity>): Promise<number> {
      let read = 0;
      while (await integrity.checkNext(signal)) read += 1;
      return read;
    },
    damaged: async () => (await damagedArtifacts(db, scope)).map(({ sha256, damage }) => [sha256, damage]),
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

test("what rots after it was first read is found by the next reading, once a week each, and nothing is read in between", async () => {
  await using w = await integrityWorld();
  const integrity = w.started();
  const hashes = [await w.store(Buffer.from("one image")), await w.store(Buffer.from("another image"))];
  const [first = ""] = hashes;
  assert.equal(await integrity.judge(await w.find(first)), "sound");
  await writeFile(w.fileOf(first), "One image");
  // Only its length is looked at: that it may be asked for in a thousand parts costs nothing.
  assert.equal(await integrity.judge(await w.find(first)), "sound");
  assert.equal(await w.checkAll(integrity), 0);
  w.pass(week + 1);
  assert.equal(await w.checkAll(integrity), 2);
  assert.deepEqual(await w.damaged(), [[first, `its 9 bytes hash to ${hashOf(Buffer.from("One image"))}`]]);
  assert.equal(await integrity.judge(await w.find(first)), "damaged");
  assert.equal(await w.checkAll(integrity), 0);
});

test("a process that begins reads what it is asked for before it sends it, once for all who ask", async () => {
  await using w = await integrityWorld();
  const sha256 = await w.store(Buffer.from("one image"));
  await writeFile(w.fileOf(sha256), "0ne image");
  let reads = 0;
  const read = (sha: string) => {
    reads += 1;
    return w.parts.blobs.read(sha);
  };
  const integrity = w.started({ blobs: { ...w.parts.blobs, read } });
  const artifact = await w.find(sha256);
  assert.deepEqual(await Promise.all([integrity.judge(artifact), integrity.judge(artifact)]), ["damaged", "damaged"]);
  assert.equal(reads, 1);
  // Where another store keeps checksums, nothing is read.
  const other = await w.store(Buffer.from("third image"));
  await writeFile(w.fileOf(other), "Third image");
  assert.equal(await w.unchecked().judge(await w.find(other)), "sound");
});

test("bytes that are gone, or that the disk cannot read, are damage; a store that does not answer is none", async () => {
  await using w = await integrityWorld();
  const [gone, unreadable] = [await w.store(Buffer.from("gone")), await w.store(Buffer.from("unreadable"))];
  await rm(w.fileOf(gone));
  // Opens, and cannot be read: as a sector that the disk has lost.
  await rm(w.fileOf(unreadable));
  await mkdir(w.fileOf(unreadable));
  w.pass(week + 1);
  assert.equal(await w.checkAll(w.started()), 2);
  assert.deepEqual((await w.damaged()).map(([sha256]) => sha256).toSorted(), [gone, unreadable].toSorted());
  const away = await w.store(Buffer.from("away"));
  w.pass(week + 1);
  const read = () => new Readable({ read: () => {} }).destroy(blobProblems.blob_store_unavailable("The store does not answer."));
  assert.equal(await w.checkAll(w.started({ blobs: { ...w.parts.blobs, read } })), 0);
  assert.equal((await w.find(away)).damagedAt, undefined);
});

test("bytes that were sent again while the damaged ones were read are not called damaged", async () => {
  await using w = await integrityWorld();
  const sha256 = await w.store(Buffer.from("one image"));
  const { db } = w.parts;
  const before = await w.find(sha256);
  const found = { at: w.parts.clock.now(), damage: "its 9 bytes hash to something else" };
  assert.equal(await markDamaged(db, before, found), true);
  assert.equal(await markDamaged(db, before, found), false);
  w.pass(1_000);
  assert.equal(await markMended(db, { sha256, at: w.parts.clock.now() }), true);
  assert.equal(await markDamaged(db, before, found), false);
  assert.deepEqual(await w.damaged(), []);
});

test("bytes have one place: a fleet that sends them for the first time mends them for the one that knew them to be damaged", async () => {
  await using w = await integrityWorld();
  const sha256 = await w.store(Buffer.from("one image"));
  const { db, clock } = w.parts;
  await markDamaged(db, await w.find(sha256), { at: clock.now(), damage: "its 9 bytes hash to something else" });
  const done: string[] = [];
  const who = {
    scope: { fleet: "other" },
    actor: systemActor,
    audit: async (_tx: unknown, _scope: unknown, { action }: { action: string }) => void done.push(action),
  };
  await db.transaction().execute((tx) => recordArtifact(tx, who, { sha256, size: 9, createdAt: clock.now() }));
  assert.deepEqual([done, await w.damaged()], [["artifact.uploaded"], []]);
});
