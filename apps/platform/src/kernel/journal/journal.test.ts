import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "@tenfold/base";
import fc from "fast-check";
import { consuming, tokenStore } from "./contract.testing.ts";
import { opened, scratch, segmentsIn } from "./journal.testing.ts";
import { encodeRecord, readRecord } from "./record.ts";
import { type Disk, gatherFor, realDisk } from "./writer.ts";

test("what is appended is applied, in order, once", async () => {
  await using at = await scratch();
  const journal = await opened(at.dir, { segmentBytes: 4_096 });
  const store = tokenStore();
  const consumption = journal.consume(consuming(store.apply));
  const frames = Array.from({ length: 1_000 }, (_, i) => `frame-${i}`);
  await Promise.all(frames.map((frame) => journal.append(Buffer.from(frame))));
  await consumption.caughtUp();
  assert.deepEqual(store.seen, frames);
  assert.deepEqual(journal.backlog(), { frames: 0, bytes: 0 });
  await journal.close();
});

test("what was kept beside a frame comes with it or not at all, however much has to be read from the files again", async () => {
  for (const keptBytes of [0, 300, 1 << 20]) {
    await using at = await scratch();
    const journal = await opened(at.dir, { segmentBytes: 2_048, keptBytes });
    const seen: string[] = [];
    let remembered = 0;
    const consumption = journal.consume(
      consuming(
        async ({ frames, kept }) => {
          for (const [place, frame] of frames.entries()) {
            const beside = kept?.[place];
            if (beside !== undefined) assert.deepEqual(beside, { text: frame.toString() });
            if (beside !== undefined) remembered += 1;
            seen.push(frame.toString());
          }
          await new Promise((resolve) => setTimeout(resolve, seen.length % 3));
        },
        { maxFrames: 7 },
      ),
    );
    const texts = Array.from({ length: 400 }, (_, i) => `frame-${i}`);
    for (let i = 0; i < texts.length; i += 8)
      await Promise.all(texts.slice(i, i + 8).map((text) => journal.append(Buffer.from(text), { text })));
    await consumption.caughtUp();
    assert.deepEqual(seen, texts);
    if (keptBytes === 0) assert.equal(remembered, 0);
    if (keptBytes === 1 << 20) assert.equal(remembered, texts.length);
    await journal.close();
  }
});

test("segments whose frames are all applied are deleted", async () => {
  await using at = await scratch();
  const journal = await opened(at.dir, { segmentBytes: 2_048 });
  const store = tokenStore();
  const consumption = journal.consume(consuming(store.apply));
  for (let i = 0; i < 40; i++) await journal.append(Buffer.alloc(200, i));
  await consumption.caughtUp();
  await journal.close();
  const reopened = await opened(at.dir);
  assert.ok((await segmentsIn(at.dir)).length <= 2);
  await reopened.close();
});

test("after a failed fdatasync the journal acknowledges nothing more until it is opened again", async () => {
  await using at = await scratch();
  let failing = false;
  const disk: Disk = {
    ...realDisk,
    datasync: (file) => (failing ? Promise.reject(Object.assign(new Error("EIO"), { code: "EIO" })) : realDisk.datasync(file)),
  };
  const journal = await opened(at.dir, {}, disk);
  await journal.append(Buffer.from("durable"));
  failing = true;
  await assert.rejects(journal.append(Buffer.from("lost")), { code: "journal_broken" });
  failing = false;
  await assert.rejects(journal.append(Buffer.from("refused")), { code: "journal_broken" });
  assert.equal(journal.health().is, "broken");
  await journal.close();
  const again = await opened(at.dir);
  await again.append(Buffer.from("after"));
  assert.deepEqual(again.health(), { is: "well" });
  await again.close();
});

test("a full disk refuses what does not fit, leaves no half record, and takes frames again when there is room", async () => {
  await using at = await scratch();
  let full = false;
  const disk: Disk = {
    ...realDisk,
    async write(file, bytes, offset) {
      if (!full) return realDisk.write(file, bytes, offset);
      await realDisk.write(file, bytes.subarray(0, bytes.length - 3), offset);
      throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
    },
  };
  const journal = await opened(at.dir, {}, disk);
  await journal.append(Buffer.from("one"));
  full = true;
  await assert.rejects(journal.append(Buffer.from("a longer one that does not fit")), { code: "journal_full" });
  full = false;
  await journal.append(Buffer.from("two"));
  await journal.close();
  const store = tokenStore();
  const again = await opened(at.dir);
  await again.consume(consuming(store.apply)).caughtUp();
  assert.deepEqual(store.seen, ["one", "two"]);
  await again.close();
});

test("a disk that is full when a batch is fixed only delays it: frames are handed out when there is room again", async () => {
  await using at = await scratch();
  const refusals = Promise.withResolvers<void>();
  let full = false;
  const disk: Disk = {
    ...realDisk,
    async write(file, bytes, offset) {
      if (!full) return realDisk.write(file, bytes, offset);
      refusals.resolve();
      throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
    },
  };
  const journal = await opened(at.dir, {}, disk);
  await journal.append(Buffer.from("one"));
  full = true;
  const store = tokenStore();
  const consumption = journal.consume(consuming(store.apply));
  const caughtUp = consumption.caughtUp();
  await refusals.promise;
  full = false;
  await caughtUp;
  assert.deepEqual(store.seen, ["one"]);
  await journal.close();
});

test("at its quota the journal refuses frames, and takes them again when batches are applied", async () => {
  await using at = await scratch();
  const journal = await opened(at.dir, { segmentBytes: 1_000, quotaBytes: 4_000 });
  const frame = Buffer.alloc(400);
  await assert.rejects(
    async () => {
      for (;;) await journal.append(frame);
    },
    { code: "journal_full" },
  );
  await journal.consume(consuming(async () => {})).caughtUp();
  await journal.append(frame);
  await journal.close();
});

test("more bytes than may wait in memory are refused at once, and pressure is felt before", async () => {
  await using at = await scratch();
  const journal = await opened(at.dir, { waitingBytes: 10_000 });
  assert.equal(journal.pressure(), "none");
  const many = Array.from({ length: 40 }, () => journal.append(Buffer.alloc(1_000)));
  assert.equal(journal.pressure(), "high");
  const results = await Promise.allSettled(many);
  assert.ok(
    results.some(
      (result) => result.status === "rejected" && result.reason instanceof Problem && result.reason.code === "journal_busy",
    ),
  );
  await journal.ready();
  await journal.append(Buffer.alloc(1_000));
  await journal.close();
});

test("a batch that cannot be applied is tried again until it can, and those behind it wait on disk", async () => {
  await using at = await scratch();
  const journal = await opened(at.dir);
  const store = tokenStore();
  let failures = 2;
  const consumption = journal.consume(
    consuming(async (batch) => (failures-- > 0 ? Promise.reject(new Error("store is away")) : store.apply(batch)), {
      maxFrames: 2,
    }),
  );
  await Promise.all(["a", "b", "c", "d"].map((frame) => journal.append(Buffer.from(frame))));
  await consumption.caughtUp();
  assert.deepEqual(store.seen, ["a", "b", "c", "d"]);
  await journal.close();
});

test("who sends more than a slow store is able to take is made to wait until it has caught up", async () => {
  await using at = await scratch();
  const journal = await opened(at.dir);
  let pauseMs = 100;
  const consumption = journal.consume(consuming(() => new Promise((resolve) => setTimeout(resolve, pauseMs)), { maxBytes: 1_000 }));
  const send = () => Promise.all(Array.from({ length: 80 }, () => journal.append(Buffer.alloc(1_000))));
  await journal.append(Buffer.alloc(1_000));
  await consumption.caughtUp();
  await send();
  // 80 batches at ten a second are more than five seconds.
  assert.equal(journal.pressure(), "high");
  pauseMs = 0;
  await journal.ready();
  assert.equal(journal.pressure(), "none");
  await consumption.caughtUp();
  await journal.close();
});

test("two servers cannot open one journal", async () => {
  await using at = await scratch();
  const journal = await opened(at.dir);
  await assert.rejects(opened(at.dir), { code: "journal_locked" });
  await journal.close();
  await (await opened(at.dir)).close();
});

test("a frame beyond a mebibyte is refused", async () => {
  await using at = await scratch();
  const journal = await opened(at.dir);
  await assert.rejects(journal.append(Buffer.alloc((1 << 20) + 1)), { code: "frame_too_large" });
  await journal.close();
});

test("no damaged record is read as a record", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (payload, place, flip) => {
      const record = encodeRecord("frame", payload);
      const at = place % record.length;
      record[at] = (record[at] ?? 0) ^ flip;
      const read = readRecord(record, 0);
      assert.notEqual(read.is, "record");
    }),
  );
});

test("a lone frame is written at once, a crowd is gathered for no longer than a few milliseconds", () => {
  assert.equal(gatherFor({ lastFrames: 1, lastSyncMs: 4, most: 5 }), 0);
  assert.equal(gatherFor({ lastFrames: 100, lastSyncMs: 1.2, most: 5 }), 2);
  assert.equal(gatherFor({ lastFrames: 100, lastSyncMs: 40, most: 5 }), 5);
});
