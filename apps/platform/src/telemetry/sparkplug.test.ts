import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "@tenfold/base";
import { decodeTelemetry } from "./decode.ts";
import { refusals } from "./errors.ts";
import { bytesField, varint } from "./protobuf.ts";
import { type Aliases, mostAliases, nameAliases } from "./sparkplug.ts";
import { message, telemetryWorld } from "./testing.ts";

const now = Date.UTC(2026, 5, 15, 12);
const integer = (number: number, value: bigint) => Buffer.from([...varint(BigInt(number << 3)), ...varint(value)]);
const text = (number: number, content: string) => bytesField(number, Buffer.from(content));
const double = (number: number, value: number) => {
  const bytes = Buffer.alloc(9, (number << 3) | 1);
  bytes.writeDoubleLE(value, 1);
  return bytes;
};
const float = (number: number, value: number) => {
  const bytes = Buffer.alloc(5, (number << 3) | 5);
  bytes.writeFloatLE(value, 1);
  return bytes;
};
const metric = (...fields: Buffer[]) => bytesField(2, Buffer.concat(fields));
const payload = (...fields: Buffer[]) => Buffer.concat([integer(1, BigInt(now - 1_000)), ...fields, integer(3, 7n)]);

function read(bytes: Buffer) {
  const up = message("pump-1", bytes, { receivedAt: now });
  return decodeTelemetry(up.payload, up);
}
const points = (bytes: Buffer) => {
  const decoded = read(bytes);
  assert.equal(decoded.is, "ok", decoded.is === "refused" ? decoded.detail : "");
  return decoded.is === "ok" ? decoded.value.map(({ metric, v, at }) => [metric, v, at - now]) : [];
};
const because = (bytes: Buffer) => {
  const decoded = read(bytes);
  return decoded.is === "refused" ? decoded.because : "ok";
};

test("[T17] every simple type of Sparkplug B is a point at its own time or the payload's; null is none", () => {
  const minus = (bits: number) => BigInt.asUintN(bits, -5n);
  const bytes = payload(
    metric(text(1, "int8"), integer(4, 1n), integer(10, minus(8))),
    metric(text(1, "int8 wide"), integer(4, 1n), integer(10, minus(32))),
    metric(text(1, "int64"), integer(4, 4n), integer(11, minus(64))),
    metric(text(1, "uint32"), integer(4, 7n), integer(10, 4_294_967_295n)),
    metric(text(1, "float"), integer(4, 9n), float(12, 0.5)),
    metric(text(1, "double"), integer(3, BigInt(now - 500)), integer(4, 10n), double(13, 21.5)),
    metric(text(1, "on"), integer(4, 11n), integer(14, 1n)),
    metric(text(1, "mode"), integer(4, 12n), text(15, "eco")),
    metric(text(1, "raw"), integer(4, 17n), bytesField(16, Buffer.from([255, 254]))),
    metric(text(1, "nothing"), integer(7, 1n)),
  );
  assert.deepEqual(points(bytes), [
    ["int8", -5, -1_000],
    ["int8 wide", -5, -1_000],
    ["int64", -5, -1_000],
    ["uint32", 4_294_967_295, -1_000],
    ["float", 0.5, -1_000],
    ["double", 21.5, -500],
    ["on", 1, -1_000],
    ["mode", "eco", -1_000],
    ["raw", "__4", -1_000],
  ]);
});

test("[T17] what is no such payload is refused with its reason", () => {
  assert.equal(because(payload()), "value_missing");
  assert.equal(because(payload(metric(integer(2, 3n), integer(10, 1n)))), "alias_unknown");
  assert.equal(because(payload(metric(text(1, "table"), bytesField(17, Buffer.alloc(0))))), "value_unsupported");
  assert.equal(because(payload(metric(text(1, "x"), double(13, Number.NaN)))), "value_not_finite");
  assert.equal(because(payload(metric(bytesField(1, Buffer.from([0xff])), integer(10, 1n)))), "protobuf_invalid");
  for (const hex of ["08", "12ff", "12ffffffffffffffffff7f", "08001b", "0800", "08ffffffffffffffffffff01", "120101", "1201ff"])
    assert.ok(["protobuf_invalid", "value_missing"].includes(because(Buffer.from(hex, "hex"))), hex);
});

test("[T18] an alias stands for the name and type that the connection gave it, and for nothing on another", async () => {
  await using world = await telemetryWorld();
  const { intake } = await world.open();
  const connection = {};
  const birth = payload(metric(text(1, "temperature"), integer(2, 3n), integer(4, 3n), integer(10, 20n)));
  const later = payload(metric(integer(2, 3n), integer(10, BigInt.asUintN(32, -4n))));
  const send = (bytes: Buffer, over: object) => intake.receive(message("pump-1", bytes, { connection: over }));
  assert.equal((await send(later, connection)).is, "refused");
  assert.equal((await send(birth, connection)).is, "stored");
  assert.equal((await send(later, connection)).is, "stored");
  assert.equal((await send(later, {})).is, "refused");
  await intake.caughtUp();
  const rows = await world.store.query<{ metric: string; v: number }>("select metric, value as v from tenfold.point order by v");
  assert.deepEqual(rows, [
    { metric: "temperature", v: -4 },
    { metric: "temperature", v: 20 },
  ]);
});

test("a connection remembers a limited number of aliases", () => {
  const known: Aliases = new Map();
  nameAliases(
    payload(...Array.from({ length: mostAliases + 5 }, (_, i) => metric(text(1, `m${i}`), integer(2, BigInt(i))))),
    known,
  );
  assert.equal(known.size, mostAliases);
});

test("20,000 damaged payloads are each read or refused, by a reason of the list", () => {
  const random = seededRandom("sparkplug");
  const whole = payload(metric(text(1, "a"), integer(2, 1n), integer(4, 3n), integer(10, 5n)), metric(text(1, "b"), double(13, 2)));
  const reasons: ReadonlySet<string> = new Set([...refusals, "ok"]);
  for (let i = 0; i < 20_000; i++) {
    const bytes = Buffer.from(whole.subarray(0, 1 + Math.floor(random() * whole.length)));
    for (let n = Math.floor(random() * 4); n > 0; n--) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    assert.ok(reasons.has(because(bytes)) && because(bytes) !== "decoder_failed", bytes.toString("hex"));
  }
});
