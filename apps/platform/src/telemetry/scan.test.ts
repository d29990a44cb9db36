import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createTelemetryDecoder, decodeTelemetry } from "./decode.ts";
import { listOf } from "./point.ts";
import { createScan } from "./scan.ts";
import { message } from "./testing.ts";

const now = Date.UTC(2026, 5, 15, 12);

const textOf = fc.oneof(
  fc.constantFrom("temperature", "ts", "_seq", "_boot", "a", "b1", "7", "x y", "é", 'q"', "back\\slash", "__proto__", ""),
  fc.string({ maxLength: 12 }),
);
const written = fc.oneof(
  fc.double().map(String),
  fc.integer().map(String),
  fc.constantFrom(
    "0",
    "-0",
    "0.1",
    "00",
    "1.",
    ".5",
    "1e3",
    "-12.50",
    "123456789012345",
    "1234567890123456",
    "0.000000000000001",
    "true",
    "false",
    "null",
    "[1]",
    "1700000000000",
    "tru",
  ),
  textOf.map((text) => JSON.stringify(text)),
);
const spaced = fc.constantFrom("", "", "", " ", "\t");
const flatObject = fc
  .array(fc.tuple(textOf, written, spaced, spaced), { maxLength: 6 })
  .map((members) => `{${members.map(([key, value, a, b]) => `${a}${JSON.stringify(key)}${b}:${a}${value}${b}`).join(",")}}`);

test("what is read fast is what is read at length, byte for byte; what it leaves alone is read at length", () => {
  const fast = createTelemetryDecoder();
  let scanned = 0;
  const scan = createScan();
  const same = (text: string) => {
    const up = message("dev-1", Buffer.from(text), { receivedAt: now });
    const [one, other] = [fast(up.payload, up), decodeTelemetry(up.payload, up)];
    assert.deepEqual(one.is === "ok" ? { ...one, value: listOf(one.value) } : one, other, text);
    if (scan(up.payload, up.receivedAt)) scanned += 1;
  };
  fc.assert(fc.property(flatObject, same), { numRuns: 3_000 });
  assert.ok(scanned > 20, `only ${scanned} were read fast`);
  for (const text of [
    '{"a":1.5,"b":true,"ts":1700000000000}',
    '{"a":1,"a":2}',
    '{"b":1,"7":2}',
    '{"a":1}x',
    '{"a":1,}',
    "{}",
    '{"_seq":1,"_boot":"b","a":1}',
  ])
    same(text);
});

test("messages with the same keys share one shape, whoever sent them and whatever came between", () => {
  const scan = createScan();
  const shapeOf = (text: string) => scan(Buffer.from(text), now)?.value.shape;
  const first = shapeOf('{"ts":1700000000000,"a":1,"b":2}');
  shapeOf('{"ab":1}');
  assert.ok(first !== undefined && shapeOf('{"ts": 1700000000001, "a": 3.25, "b": "x"}') === first);
  assert.notEqual(shapeOf('{"b":1,"a":2}'), first);
});
