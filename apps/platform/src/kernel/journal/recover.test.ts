import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { cp, open, readFile, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Problem } from "@tenfold/base";
import fc from "fast-check";
import { createLog } from "../log.ts";
import { consuming, tokenStore } from "./contract.testing.ts";
import { opened, scratch, segmentsIn } from "./journal.testing.ts";
import { openJournal } from "./journal.ts";
import { encodeRecord } from "./record.ts";

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
  // Behind the last record, where the next one was being written: zeros follow there.
  const end = (await readFile(path)).findLastIndex((byte) => byte !== 0) + 1;
  const file = await open(path, "r+");
  const bytes = Buffer.concat([part, part.length === 0 ? Buffer.alloc(0) : garbage]);
  await file.write(bytes, 0, bytes.length, end);
  await file.close();
}

test("the newest segment is longer than its records until it is closed, and a crash before that is no damage and no news", async () => {
  await using at = await scratch();
  const crashed = `${at.dir}-crashed`;
  const journal = await opened(at.dir, { aheadBytes: 10_000 });
  await journal.append(Buffer.from("a frame"));
  await cp(at.dir, crashed, { recursive: true, filter: (path) => !path.endsWith("lock") });
  await journal.close();
  const sizeIn = async (dir: string) => (await stat(join(dir, (await segmentsIn(dir))[0] ?? ""))).size;
  const records = await sizeIn(at.dir);
  assert.equal(await sizeIn(crashed), records + 10_000);
  const told: string[] = [];
  const again = await openJournal({ dir: crashed, log: createLog({ level: "debug", write: (line) => void told.push(line) }) });
  assert.equal(again.backlog().frames, 1);
  assert.deepEqual(told, []);
  await again.close();
  assert.equal(await sizeIn(crashed), records);
});

test("zeros at the end of a segment that another follows stop the start: a disk has lost what was there", async () => {
  await using at = await scratch();
  const journal = await opened(at.dir, { segmentBytes: 1_500 });
  for (let i = 0; i < 10; i++) await journal.append(Buffer.alloc(200, i + 1));
  await journal.close();
  const first = join(at.dir, (await segmentsIn(at.dir)).sort()[0] ?? "");
  await truncate(first, (await stat(first)).size - 209);
  await truncate(first, (await stat(first)).size + 209);
  await assert.rejects(opened(at.dir), { code: "journal_damaged" });
});

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
