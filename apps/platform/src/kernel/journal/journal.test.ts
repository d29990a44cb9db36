import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, open, readdir, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Problem } from "@tenfold/base";
import fc from "fast-check";
import { silentLog } from "../log.ts";
import { openJournal } from "./journal.ts";
import type { Batch, ConsumeOptions, Journal } from "./port.ts";
import { encodeRecord, readRecord } from "./record.ts";
import { type Disk, gatherFor, type JournalLimits, realDisk } from "./writer.ts";

type Scratch = AsyncDisposable & { dir: string; root: string };

async function scratch(): Promise<Scratch> {
  const root = await mkdtemp(join(tmpdir(), "tenfold-test-journal-"));
  return { root, dir: join(root, "journal"), [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}

const opened = (dir: string, limits: Partial<JournalLimits> = {}, disk: Disk = realDisk): Promise<Journal> =>
  openJournal({ dir, log: silentLog, limits, disk });

/** Keeps what it is given, once a token, as the column store does. */
function tokenStore() {
  const batches = new Map<string, string[]>();
  const seen: string[] = [];
  /** Tokens that came again with other frames. Kept instead of thrown: the journal would try such a batch again for ever. */
  const violations: string[] = [];
  return {
    violations,
    seen,
    apply: async ({ token, frames }: Batch) => {
      const texts = frames.map((frame) => frame.toString());
      const before = batches.get(token);
      if (before) {
        if (before.join() !== texts.join()) violations.push(token);
      } else {
        batches.set(token, texts);
        seen.push(...texts);
      }
    },
  };
}

const consuming = (apply: ConsumeOptions["apply"], more: Partial<ConsumeOptions> = {}): ConsumeOptions => ({
  apply,
  cutAfterMs: 1,
  maxFrames: 50,
  maxBytes: 1 << 20,
  ...more,
});

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

const segmentsIn = async (dir: string) => (await readdir(dir)).filter((name) => name.endsWith(".segment"));

test("a batch that was fixed and not applied comes again after a crash, unchanged and under its token, before anything new", async () => {
  await using at = await scratch();
  const first = await opened(at.dir);
  const attempts: { token: string; frames: string[] }[] = [];
  first.consume(
    consuming(
      async ({ token, frames }, signal) => {
        attempts.push({ token, frames: frames.map(String) });
        await once(signal, "abort"); // Applying takes until the process dies.
      },
      { cutAfterMs: 10_000, maxFrames: 3 },
    ),
  );
  await Promise.all(["a", "b", "c"].map((frame) => first.append(Buffer.from(frame))));
  while (attempts.length === 0) await new Promise(setImmediate);
  for (const late of ["d", "e"]) await first.append(Buffer.from(late));
  await first.close();

  const second = await opened(at.dir);
  const replayed: { token: string; frames: string[] }[] = [];
  const consumption = second.consume(
    consuming(async ({ token, frames }) => void replayed.push({ token, frames: frames.map(String) }), { maxFrames: 100 }),
  );
  await consumption.caughtUp();
  assert.deepEqual(replayed[0], attempts[0]);
  assert.deepEqual(
    replayed.flatMap(({ frames }) => frames),
    ["a", "b", "c", "d", "e"],
  );
  await second.close();
});

test("wherever a crash cuts the newest segment behind what was synced, nothing acknowledged is missing and nothing is doubled", async () => {
  await using at = await scratch();
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        bursts: fc.array(fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 12 }), {
          minLength: 1,
          maxLength: 6,
        }),
        torn: fc.double({ min: 0, max: 1, noNaN: true }),
        garbage: fc.uint8Array({ maxLength: 40 }),
        restarts: fc.integer({ min: 1, max: 3 }),
        failing: fc.boolean(),
      }),
      async ({ bursts, torn, garbage, restarts, failing }) => {
        const dir = join(at.root, `run-${Math.random()}`);
        const store = tokenStore();
        const acknowledged: string[] = [];
        let place = dir;
        for (let life = 0; life < restarts; life++) {
          const journal = await opened(place, { segmentBytes: 1_500 });
          let fails = failing ? 1 : 0;
          let crashed = false;
          const consumption = journal.consume(
            consuming(
              async (batch, signal) => {
                if (fails-- > 0) throw new Error("not now");
                if (crashed) await once(signal, "abort");
                else await store.apply(batch);
              },
              { maxFrames: 7 },
            ),
          );
          for (const burst of bursts) {
            const frames = burst.map((size, i) => `${life}.${acknowledged.length + i}.${"x".repeat(size)}`);
            await Promise.all(frames.map((frame) => journal.append(Buffer.from(frame))));
            acknowledged.push(...frames);
          }
          if (life % 2 === 0) await consumption.caughtUp();
          // The crash: nothing is applied from here on; a copy of the folder as it is now, with a half-written group at its end, lives on.
          crashed = true;
          const copy = `${dir}-${life}`;
          await copyWithTornTail(place, { to: copy, torn, garbage });
          await journal.close();
          place = copy;
        }
        const last = await opened(place);
        const consumption = last.consume(consuming(store.apply));
        await consumption.caughtUp();
        await last.close();
        assert.deepEqual(store.violations, []);
        assert.deepEqual([...store.seen].sort(), [...acknowledged].sort());
      },
    ),
    { numRuns: 25 },
  );
});

async function copyWithTornTail(
  from: string,
  { to, torn, garbage }: { to: string; torn: number; garbage: Uint8Array },
): Promise<void> {
  // A segment may be deleted while we copy; only applied ones are, so a second try finds the folder whole.
  for (;;) {
    try {
      await cp(from, to, { recursive: true, filter: (path) => !path.endsWith("lock") });
      break;
    } catch {
      await rm(to, { recursive: true, force: true });
    }
  }
  const newest = (await segmentsIn(to)).sort().at(-1);
  if (newest === undefined) return;
  const path = join(to, newest);
  const whole = encodeRecord("frame", Buffer.from("never acknowledged"));
  const part = whole.subarray(0, Math.floor(torn * (whole.length - 1)));
  const file = await open(path, "a");
  await file.write(Buffer.concat([part, part.length === 0 ? Buffer.alloc(0) : garbage]));
  await file.close();
}

test("kill -9 while another process appends: every acknowledged frame is there after the restart", async () => {
  await using at = await scratch();
  for (let round = 0; round < 3; round++) {
    const child = fork(fileURLToPath(new URL("appender.testing.ts", import.meta.url)), [at.dir, String(round)], {
      execArgv: [],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const acknowledged = new Set<string>();
    child.on("message", (message) => {
      for (const frame of message as string[]) acknowledged.add(frame);
      if (acknowledged.size > 400) child.kill("SIGKILL");
    });
    await once(child, "exit");
    const journal = await opened(at.dir);
    const store = tokenStore();
    await journal.consume(consuming(store.apply)).caughtUp();
    await journal.close();
    assert.ok(acknowledged.size > 400);
    const there = new Set(store.seen);
    assert.deepEqual(
      [...acknowledged].filter((frame) => !there.has(frame)),
      [],
    );
    assert.equal(there.size, store.seen.length);
  }
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

test("a damaged record in a finished segment stops the start and names the file", async () => {
  await using at = await scratch();
  const journal = await opened(at.dir, { segmentBytes: 500 });
  for (let i = 0; i < 20; i++) await journal.append(Buffer.alloc(100, i));
  await journal.close();
  const [oldest] = (await segmentsIn(at.dir)).sort();
  const file = await open(join(at.dir, oldest ?? ""), "r+");
  await file.write(Buffer.from("!"), 0, 1, 200);
  await file.close();
  await assert.rejects(
    opened(at.dir),
    (error: Problem) => error.code === "journal_damaged" && error.message.includes(oldest ?? "?"),
  );
});

test("a segment that was being made when the process died is made again", async () => {
  await using at = await scratch();
  const journal = await opened(at.dir);
  await journal.append(Buffer.from("one"));
  await journal.close();
  const [first] = await segmentsIn(at.dir);
  await cp(join(at.dir, first ?? ""), join(at.dir, "0000000002.segment"));
  await truncate(join(at.dir, "0000000002.segment"), 11);
  const again = await opened(at.dir);
  await again.append(Buffer.from("two"));
  await again.close();
  assert.ok((await stat(join(at.dir, first ?? ""))).size > 40);
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
