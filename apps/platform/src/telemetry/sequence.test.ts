import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { sql } from "kysely";
import { decodeTelemetry } from "./decode.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import { siftBy } from "./sequence.shell.ts";
import { mostRanges, type Ranges, readSequence, take } from "./sequence.ts";
import { message, telemetryWorld } from "./testing.ts";

test("a number is taken once, in whatever order the numbers come", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 200 }), (numbers) => {
      const seen = new Set<number>();
      let ranges: Ranges = [];
      for (const seq of numbers) {
        const after = take(ranges, seq);
        assert.equal(after === undefined, seen.has(seq), `${seq} in ${JSON.stringify(ranges)}`);
        seen.add(seq);
        ranges = after ?? ranges;
        for (const [at, [from, to]] of ranges.entries()) assert.ok(from <= to && (ranges[at - 1]?.[1] ?? -2) + 1 < from);
      }
    }),
  );
});

test("in order, a million numbers are one range; with too many gaps the lowest is forgotten, and nothing is taken for sent that was not", () => {
  let ranges: Ranges = [[0, 999_999]];
  assert.deepEqual(take(ranges, 1_000_000), [[0, 1_000_000]]);
  for (let i = 1; i <= mostRanges; i++) ranges = take(ranges, 1_000_000 + 2 * i) ?? [];
  assert.equal(ranges.length, mostRanges);
  assert.ok(take(ranges, 5) !== undefined && take(ranges, 1_000_001) !== undefined);
  assert.equal(take(ranges, 1_000_004), undefined);
});

test("a number and a boot are read or refused", () => {
  assert.deepEqual(readSequence("12", "b-1"), { boot: "b-1", seq: 12 });
  assert.deepEqual(readSequence(0, "x"), { boot: "x", seq: 0 });
  for (const [seq, boot] of [
    [-1, "x"],
    [1.5, "x"],
    ["1e3", "x"],
    [2 ** 53, "x"],
    [1, ""],
    [1, "a b"],
    [1, undefined],
    ["", "x"],
    [1, "x".repeat(65)],
  ])
    assert.equal(readSequence(seq, boot), undefined, `${seq} ${boot}`);
});

test("[T5] number and boot may stand in the payload, and are no metrics there", () => {
  for (const payload of [
    { t: 1, _seq: 7, _boot: "b" },
    [
      { n: "t", v: 1, _seq: 7, _boot: "b" },
      { n: "u", v: 2 },
    ],
  ]) {
    const up = message("pump-1", payload);
    const read = decodeTelemetry(up.payload, up);
    assert.deepEqual(read.is === "ok" && [read.sequence, read.value[0]?.metric], [{ boot: "b", seq: 7 }, "t"]);
  }
  const half = message("pump-1", { t: 1, _seq: 7 });
  const read = decodeTelemetry(half.payload, half);
  assert.equal(read.is === "refused" && read.because, "sequence_invalid");
});

test("a counted message is in the journal what it was, and damaged bytes are not read as one", () => {
  const counted = message("pump-1", { t: 1 }, { sequence: { boot: "b-1", seq: 2 ** 40 } });
  assert.deepEqual(decodeFrame(encodeFrame(counted)), counted);
  const bytes = encodeFrame({ ...counted, payload: Buffer.alloc(0) });
  for (let end = 0; end < bytes.length; end++) assert.equal(decodeFrame(bytes.subarray(0, end)), undefined);
});

test("[T5] a message that comes again is acknowledged and stored once: at once, later, and after a crash at the worst moment", async () => {
  await using world = await telemetryWorld();
  const send = (seq: number, more: object = {}) => message("pump-1", { t: seq }, { sequence: { boot: "b", seq }, ...more });
  const first = await world.open();
  const all = [send(1), send(2), send(1), send(3), message("pump-2", { t: 1 }, { sequence: { boot: "b", seq: 1 } })];
  for (const received of await Promise.all(all.map(first.intake.receive))) assert.deepEqual(received, { is: "stored" });
  await first.intake.caughtUp();
  assert.deepEqual(await first.intake.receive(send(2)), { is: "stored" });
  await first.intake.caughtUp();
  await first.journal.close();
  assert.ok((await world.loseCheckpoints()) > 0);

  const second = await world.open();
  for (const again of [send(3), send(4), send(1, { sequence: { boot: "c", seq: 1 } })]) await second.intake.receive(again);
  await second.intake.caughtUp();
  const rows = await world.store.query<{ device: string; v: number }>(
    "select device, value as v from tenfold.point order by device, v",
  );
  assert.deepEqual(
    rows.map(({ device, v }) => `${device} ${v}`),
    ["pump-1 1", "pump-1 1", "pump-1 2", "pump-1 3", "pump-1 4", "pump-2 1"],
  );
});

test("whatever is sent again, and wherever the platform dies between deciding and applying, each message is applied once", async () => {
  await using world = await telemetryWorld();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({ seqs: fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 10 }), dies: fc.integer({ min: 0, max: 2 }) }),
        { minLength: 1, maxLength: 5 },
      ),
      async (batches) => {
        const device = `dev-${run++}`;
        const sift = siftBy({ db: world.database.db, clock: world.clock });
        const applied = new Map<string, number[]>();
        for (const [at, { seqs, dies }] of batches.entries()) {
          const batch = seqs.map((seq) => ({ message: message(device, { t: seq }, { sequence: { boot: "b", seq } }) }));
          const token = `journal${run}-1-${at}`;
          // The batch comes again after each death, and its token makes one of what was applied before.
          for (let life = 0; life <= dies; life++) {
            const kept = (await sift(batch, token)).map(({ message }) => message.sequence?.seq ?? -1);
            assert.deepEqual(applied.get(token) ?? kept, kept);
            applied.set(token, kept);
          }
        }
        const sent = new Set(batches.flatMap(({ seqs }) => seqs));
        assert.deepEqual([...applied.values()].flat().sort(), [...sent].sort());
      },
    ),
    { numRuns: 30 },
  );
});

test("of a device that restarts again and again, the last boots are remembered", async () => {
  await using world = await telemetryWorld();
  const sift = siftBy({ db: world.database.db, clock: world.clock });
  for (let boot = 0; boot < 12; boot++)
    await sift([{ message: message("pump-1", { t: 1 }, { sequence: { boot: `b${boot}`, seq: 1 } }) }], `j-1-${boot}`);
  const { rows } = await sql<{ boots: number }>`select count(*)::int as boots from telemetry.sequence`.execute(world.database.db);
  assert.equal(rows[0]?.boots, 8);
});
