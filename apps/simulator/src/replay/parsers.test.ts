import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { messagesOf, planReplay } from "./plan.ts";
import { readRecording } from "./read-recording.ts";

const folder = new URL("../../../../../shared/data/", import.meta.url);
const recorded = (path: string) => readRecording(path, readFileSync(new URL(path, folder)));
const absent = existsSync(folder) ? false : "the recordings are not on this machine";

test("a mote's readings are 5 s apart, after whatever head the file has", () => {
  const text =
    "\tOutdoor Sensors\t\t\t\nReading#\tMote ID\tHumidity\tTepmrature\tLabel\n1\t4\t37.16\t33.94\t0\n2\t4\t37.1\t33.97\t1\n";
  const recording = readRecording("singlehop.txt", Buffer.from(text));
  assert.equal(recording?.headerLines, 2);
  assert.deepEqual(
    recording?.rows.map(({ series, at, values }) => [series, at, ...values.map(({ value }) => value)]),
    [
      ["mote-4", 5_000, 37.16, 33.94, 0],
      ["mote-4", 10_000, 37.1, 33.97, 1],
    ],
  );
});

test("a library node's line may have a space, or a no-break space, in its sequence number, and has decimal commas", () => {
  const text =
    "1163438041250 20 999 21,21 2,81 51,53 22,08 20 28\n1163497985546 20 1\u00a0000 21,21 2,68 52,11 22,14 41 42\n1163497985547 3 1 001 -1,5 2,7 50 22 1 0\n";
  const recording = readRecording("library-R3.txt", Buffer.from(text, "latin1"));
  assert.deepEqual(recording?.malformed, []);
  assert.deepEqual(
    recording?.rows.map(({ series, values }) => [series, values[0]?.value, values[1]?.value]),
    [
      ["node-20", 999, 21.21],
      ["node-20", 1_000, 21.21],
      ["node-3", 1_001, -1.5],
    ],
  );
});

test("a benchmark series is read as UTC", () => {
  const recording = readRecording(
    "nab/a b.csv",
    Buffer.from("timestamp,value\n2014-04-01 00:05:00,-21.5\n2014-04-01 00:10:00,2e3"),
  );
  assert.deepEqual(
    recording?.rows.map(({ series, at, values }) => [series, new Date(at).toISOString(), values[0]?.value]),
    [
      ["a_b", "2014-04-01T00:05:00.000Z", -21.5],
      ["a_b", "2014-04-01T00:10:00.000Z", 2_000],
    ],
  );
});

test("a line that is no reading is listed with its number and a reason, and the others are read", () => {
  const nab = readRecording(
    "x.csv",
    Buffer.from("timestamp,value\n2014-04-01 00:05:00,1\n2014-04-01 00:99:00,1\n2014-04-01 00:10:00,\n2014-04-01 00:15:00,1,2\n"),
  );
  assert.deepEqual(
    nab?.malformed.map(({ line, reason }) => [line, reason]),
    [
      [3, '"2014-04-01 00:99:00" is no time'],
      [4, '"" is no number'],
      [5, "3 fields, not 2"],
    ],
  );
  const library = readRecording(
    "R.txt",
    Buffer.from("1163438041250 20 1 21,21 2,81 51,53 22,08 20 28\n1163438041250 20 2 21.21 2,81 51,53 22,08 20 28\n11634380412\n"),
  );
  assert.deepEqual(
    library?.malformed.map(({ line }) => line),
    [2, 3],
  );
  const mote = readRecording("s.txt", Buffer.from("head\n1\t1\t4\t2\t0\n2\t1\tNaN\t2\t0\n3\t1\t4\t2\n"));
  assert.deepEqual(
    mote?.malformed.map(({ line }) => line),
    [3, 4],
  );
  assert.equal(mote?.rows.length, 1);
});

test("a text of no known form is not a recording", () => {
  assert.equal(readRecording("a.txt", Buffer.from("hello\nworld\n")), undefined);
});

test("a plan moves all rows by one constant, ends now, and counts what the store must hold", () => {
  const recording = readRecording(
    "s.csv",
    Buffer.from("timestamp,value\n2014-04-01 00:00:00,1\n2014-04-01 00:00:00,2\n2014-04-01 00:05:00,4\n"),
  );
  assert.ok(recording);
  const endsAt = Date.parse("2026-05-01T12:00:00Z");
  const plan = planReplay(recording, { prefix: "r", endsAt });
  assert.deepEqual(plan.series, [
    { device: "r-s", metric: "value", count: 3, sum: 7, firstAt: "2026-05-01T11:55:00.000Z", lastAt: "2026-05-01T12:00:00.000Z" },
  ]);
  assert.equal(messagesOf(plan.devices.get("r-s") ?? [], 2).length, 2);
});

test("the recordings on this machine are read without a line lost", { skip: absent }, () => {
  const figures = (path: string) => {
    const recording = recorded(path);
    assert.ok(recording, path);
    return [
      recording.rows.length,
      recording.malformed.length,
      recording.headerLines,
      new Set(recording.rows.map(({ series }) => series)).size,
    ];
  };
  assert.deepEqual(figures("wsn/singlehop-indoor-moteid1-data.txt"), [4_417, 0, 2, 1]);
  assert.deepEqual(figures("wsn/singlehop-indoor-moteid2-data.txt"), [4_417, 0, 1, 1]);
  assert.deepEqual(figures("wsn/singlehop-outdoor-moteid3-data.txt"), [5_039, 0, 1, 1]);
  assert.deepEqual(figures("wsn/singlehop-outdoor-moteid4-data.txt"), [5_041, 0, 2, 1]);
  assert.deepEqual(figures("wsn/library-R1.txt"), [7_563, 0, 0, 19]);
  assert.deepEqual(figures("wsn/library-R2.txt"), [11_110, 0, 0, 19]);
  assert.deepEqual(figures("wsn/library-R3.txt"), [11_029, 0, 0, 19]);
  assert.equal(figures("nab/series/realTraffic/occupancy_t4013.csv")[1], 0);
});
