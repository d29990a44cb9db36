import assert from "node:assert/strict";
import { test } from "node:test";
import { encode } from "cbor-x";
import fc from "fast-check";
import { decodeCbor } from "./cbor.ts";
import { decodeEvent, decodeHeartbeat, decodeLogs, decodeTelemetry } from "./decode.ts";
import { refusals } from "./errors.ts";
import { decodeFrame, encodeFrame } from "./frame.ts";
import type { Decode } from "./message.ts";
import { message } from "./testing.ts";

const now = Date.UTC(2026, 5, 15, 12);
const second = 1_000;

function read<Value>(decode: Decode<Value>, payload: unknown) {
  const up = message("dev-1", payload, { receivedAt: now });
  return decode(up.payload, up);
}

function points(payload: unknown) {
  const decoded = read(decodeTelemetry, payload);
  assert.equal(decoded.is, "ok", decoded.is === "refused" ? `${decoded.because}: ${decoded.detail}` : "");
  return decoded.is === "ok" ? decoded.value.map(({ metric, v, unit, at }) => [metric, v, unit, at - now]) : [];
}

function refusal(payload: unknown, decode: Decode<unknown> = decodeTelemetry): string {
  const decoded = read(decode, payload);
  assert.equal(decoded.is, "refused", JSON.stringify(decoded));
  return decoded.is === "refused" ? decoded.because : "";
}

/** CBOR without the extensions of cbor-x. */
const cbor = (value: unknown): Buffer => Buffer.from(encode(value));
const numbered = (record: Record<string, unknown>) =>
  new Map(Object.entries(record).map(([label, value]) => [Number(label), value]));

test("a flat object is one point a key, at the time of receipt", () => {
  assert.deepEqual(points({ temperature: 21.5, door: true, mode: "eco" }), [
    ["temperature", 21.5, "", 0],
    ["door", 1, "", 0],
    ["mode", "eco", "", 0],
  ]);
});

test("ts gives a flat object its time, in milliseconds or as RFC 3339", () => {
  assert.deepEqual(points({ t: 1, ts: now - 5 * second }), [["t", 1, "", -5 * second]]);
  assert.deepEqual(points({ t: 1, ts: "2026-06-15T11:59:50.250Z" }), [["t", 1, "", -9_750]]);
  assert.deepEqual(points({ t: 1, ts: "2026-06-15T13:59:50+02:00" }), [["t", 1, "", -10 * second]]);
});

test("an implausible device time gives way to the time of receipt, and says so", () => {
  for (const ts of [0, now + 6 * 60 * second, now - 366 * 86_400 * second]) {
    const decoded = read(decodeTelemetry, { t: 1, ts });
    assert.ok(decoded.is === "ok");
    assert.deepEqual(decoded.value[0], { metric: "t", v: 1, unit: "", at: now, timeSource: "received" });
  }
});

test("RFC 8428's examples are read as it says", () => {
  assert.deepEqual(points([{ n: "urn:dev:ow:10e2073a01080063", u: "Cel", v: 23.1 }]), [
    ["urn:dev:ow:10e2073a01080063", 23.1, "Cel", 0],
  ]);
  // §5.1.2, with a base time that is near now.
  const bt = now / second - 60;
  assert.deepEqual(
    points([
      { bn: "urn:dev:ow:10e2073a0108006:", bt, bu: "A", bver: 5, n: "voltage", u: "V", v: 120.1 },
      { n: "current", t: -5, v: 1.2 },
      { n: "current", t: -4, v: 1.3 },
    ]),
    [
      ["urn:dev:ow:10e2073a0108006:voltage", 120.1, "V", -60_000],
      ["urn:dev:ow:10e2073a0108006:current", 1.2, "A", -65_000],
      ["urn:dev:ow:10e2073a0108006:current", 1.3, "A", -64_000],
    ],
  );
});

test("SenML: relative times, base values and sums, texts, booleans and data", () => {
  assert.deepEqual(
    points([
      { bn: "m/", bt: -10 },
      { n: "a", t: -2, v: 1 },
    ]),
    [["m/a", 1, "", -12 * second]],
  );
  assert.deepEqual(
    points([
      { bn: "m/", bv: 20, bs: 100, n: "a", v: 1.5, s: 3 },
      { n: "b", v: 1 },
    ]),
    [
      ["m/a", 21.5, "", 0],
      ["m/a:sum", 103, "", 0],
      ["m/b", 21, "", 0],
    ],
  );
  assert.deepEqual(
    points([
      { n: "s", vs: "on" },
      { n: "b", vb: false },
      { n: "d", vd: "aGk" },
    ]).map(([metric, v]) => [metric, v]),
    [
      ["s", "on"],
      ["b", 0],
      ["d", "aGk"],
    ],
  );
});

test("SenML in CBOR means what the same in JSON means", () => {
  const pack = [
    numbered({ "-2": "m/", "-3": now / second - 10, "-4": "Cel", 0: "a", 2: 21.5 }),
    numbered({ 0: "b", 6: -2, 3: "on" }),
    numbered({ 0: "c", 4: true }),
  ];
  assert.deepEqual(
    points(cbor(pack)),
    points([
      { bn: "m/", bt: now / second - 10, bu: "Cel", n: "a", v: 21.5 },
      { n: "b", t: -2, vs: "on" },
      { n: "c", vb: true },
    ]),
  );
  // Half, single and decimal-fraction numbers, an array and a map of indefinite length.
  assert.deepEqual(
    points(Buffer.from("9fbf006161 02f94d60ff a2 006162 02fa41ac0000 a2 006163 02c4822018d7ff".replaceAll(" ", ""), "hex")),
    [
      ["a", 21.5, "", 0],
      ["b", 21.5, "", 0],
      ["c", 21.5, "", 0],
    ],
  );
});

test("what cannot be read is refused with its own code", () => {
  const cases: [unknown, string][] = [
    [Buffer.alloc(0), "payload_empty"],
    [Buffer.from("  \n"), "payload_empty"],
    [Buffer.from("hello"), "format_unknown"],
    [Buffer.from([0xff, 0xfe]), "format_unknown"],
    [Buffer.from('{"a":1'), "json_invalid"],
    [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), "json_invalid"],
    [Buffer.from([0x81]), "cbor_invalid"],
    [Buffer.from("9a7fffffff", "hex"), "cbor_invalid"],
    [Buffer.from("8181818181818181818181", "hex"), "cbor_invalid"],
    [cbor([1]), "record_invalid"],
    [[1], "record_invalid"],
    [[{ n: "a", v: "1" }], "record_invalid"],
    [[{ n: "a", v: 1, vs: "x" }], "record_invalid"],
    [[{ bver: 11, n: "a", v: 1 }], "version_unsupported"],
    [[{ n: "a", v: 1, later_: 2 }], "version_unsupported"],
    [[{ v: 1 }], "metric_invalid"],
    [[{ n: "-a", v: 1 }], "metric_invalid"],
    [[{ n: "a b", v: 1 }], "metric_invalid"],
    [{ "": 1 }, "metric_invalid"],
    [{ "a\nb": 1 }, "metric_invalid"],
    [{ ["x".repeat(201)]: 1 }, "metric_invalid"],
    [[], "value_missing"],
    [{}, "value_missing"],
    [{ ts: now }, "value_missing"],
    [[{ n: "a" }], "value_missing"],
    [{ a: { b: 1 } }, "value_unsupported"],
    [{ a: [1] }, "value_unsupported"],
    [{ a: null }, "value_unsupported"],
    [Buffer.from('{"a":1e999}'), "value_not_finite"],
    [Buffer.from('[{"n":"a","v":-1e999}]'), "value_not_finite"],
    [{ a: "x".repeat(4_097) }, "text_too_long"],
    [{ a: 1, ts: "yesterday" }, "time_invalid"],
    [[{ n: "a", v: 1, t: "now" }], "time_invalid"],
    [[{ n: "a", v: 1, u: "x".repeat(65) }], "unit_invalid"],
    [Array.from({ length: 10_001 }, () => ({ n: "a", v: 1 })), "too_many_points"],
    [Buffer.alloc(256 * 1024 + 1, "["), "payload_too_large"],
  ];
  for (const [payload, because] of cases) assert.equal(refusal(payload), because, String(payload).slice(0, 60));
});

test("a refusal names the thing that is wrong", () => {
  const decoded = read(decodeTelemetry, { engine: { rpm: 1 } });
  assert.ok(decoded.is === "refused" && decoded.detail.includes('"engine" is an object'));
  const beat = read(decodeHeartbeat, { seq: 1 });
  assert.ok(beat.is === "refused" && beat.because === "heartbeat_invalid" && beat.detail.startsWith("bootId:"));
});

test("heartbeats, events and logs are held against the contracts", () => {
  const beat = { seq: 1, bootId: "b", uptimeS: 1, leaseS: 60, monoS: 1, clock: "synced", firmware: { version: "1.0.0" } };
  const decoded = read(decodeHeartbeat, beat);
  assert.ok(decoded.is === "ok" && decoded.value.firmware.state === "confirmed");
  assert.equal(refusal({ ...beat, leaseS: 0 }, decodeHeartbeat), "heartbeat_invalid");
  assert.equal(read(decodeEvent, { type: "oom", severity: "error", detail: { process: "app" } }).is, "ok");
  assert.equal(refusal({ type: "oom", severity: "bad" }, decodeEvent), "event_invalid");
  assert.equal(read(decodeLogs, { lines: [{ text: "hello" }] }).is, "ok");
  assert.equal(refusal({ lines: [] }, decodeLogs), "logs_invalid");
});

// A failing payload stays here as hex.
const keptSeeds = [
  "7b225f5f70726f746f5f5f223a317d",
  "9f",
  "bf",
  "f97e00",
  "81a10282f5f6",
  "a1",
  "82a0a0",
  "8181",
  "5b5d",
  "7b7d",
  "81c4",
  "9bffffffffffffffff",
  "81bb7fffffffffffffff",
];

test("a document that is nested too deep is refused before anything walks through it", () => {
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  const event = Buffer.from(`{"type":"x","severity":"error","detail":{"a":${deep}}}`);
  for (const read of [
    decodeEvent(event, message("telemetry", event)),
    decodeHeartbeat(event, message("telemetry", event)),
    decodeTelemetry(event, message("telemetry", event)),
  ])
    assert.deepEqual([read.is, read.is === "refused" && read.because], ["refused", "json_invalid"]);
});

test("whatever bytes come, a decoder answers with points in bounds or with a code of the closed list", () => {
  const known: readonly string[] = refusals;
  const holds = (bytes: Uint8Array) => {
    for (const decode of [decodeTelemetry, decodeHeartbeat, decodeEvent, decodeLogs]) {
      const decoded = read<unknown>(decode, Buffer.from(bytes));
      if (decoded.is === "refused") assert.ok(known.includes(decoded.because) && decoded.detail.length < 500);
      else if (decode === decodeTelemetry)
        for (const { metric, v } of decoded.value as { metric: string; v: unknown }[])
          assert.ok(metric.length > 0 && metric.length <= 200 && (typeof v === "string" || Number.isFinite(v)));
    }
  };
  for (const seed of keptSeeds) holds(Buffer.from(seed, "hex"));
  const senmlLike = fc.array(
    fc.dictionary(
      fc.constantFrom("n", "bn", "v", "vs", "vb", "vd", "t", "bt", "u", "bu", "s", "bs", "bver", "x_"),
      fc.oneof(fc.double(), fc.string(), fc.boolean(), fc.constant(null), fc.integer()),
    ),
    { maxLength: 5 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), holds), { numRuns: 1_500 });
  fc.assert(
    fc.property(fc.oneof(senmlLike, fc.object(), fc.json()), (value) =>
      holds(Buffer.from(typeof value === "string" ? value : JSON.stringify(value))),
    ),
    { numRuns: 700 },
  );
  fc.assert(
    fc.property(senmlLike, fc.nat(), fc.nat(255), (value, place, byte) => {
      const bytes = cbor(value);
      bytes[place % bytes.length] = byte;
      holds(bytes);
    }),
    { numRuns: 700 },
  );
});

test("CBOR: what another encoder writes is read back", () => {
  const value = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof(
      { depthSize: "small", maxDepth: 4 },
      fc.integer(),
      fc.double({ noNaN: true }).map((n) => n + 0),
      fc.string({ unit: "grapheme" }),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie("node"), { maxLength: 5 }),
    ),
  })).node;
  fc.assert(
    fc.property(value, (item) => assert.deepEqual(decodeCbor(cbor(item)), item)),
    { numRuns: 500 },
  );
});

test("a frame of the journal is the message again", () => {
  const text = fc.string({ maxLength: 40, unit: "binary" });
  fc.assert(
    fc.property(
      text,
      text,
      fc.uint8Array({ maxLength: 100 }),
      fc.constantFrom("telemetry", "deployment" as const),
      fc.double({ noNaN: true }),
      (device, id, payload, channel, receivedAt) => {
        const up = message(device, Buffer.from(payload), {
          channel: channel as "telemetry",
          receivedAt,
          transport: "https",
          ...(id === "" ? {} : { id }),
        });
        assert.deepEqual(decodeFrame(encodeFrame(up)), up);
      },
    ),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => void decodeFrame(Buffer.from(bytes))));
});
