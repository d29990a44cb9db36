import { deepestJson, isNestedDeeper } from "@tenfold/base";
import { type DeviceEvent, type DeviceLogs, deviceEvent, deviceLogs, type Heartbeat, heartbeat } from "@tenfold/contracts";
import type { z } from "zod";
import { type Cbor, decodeCbor } from "./cbor.ts";
import { type Refusal, Refused } from "./errors.ts";
import { resolveFlat } from "./flat.ts";
import type { Decode, Decoded, UpMessage } from "./message.ts";
import { limits, type MeasuredPoint, type Points, pointsOf } from "./point.ts";
import { createScan } from "./scan.ts";
import { recordsOfCbor, recordsOfJson, resolveSenml } from "./senml.ts";
import { readSequence, type Sequence } from "./sequence.ts";
import { beginsSparkplug, resolveSparkplug } from "./sparkplug.ts";

/** As `decodeTelemetry`, in columns, and fast where the payload is the usual flat object. */
export function createTelemetryDecoder(): Decode<Points> {
  const scan = createScan();
  return (payload, message) => {
    const scanned = scan(payload, message.receivedAt);
    if (scanned) return { is: "ok", ...scanned };
    const read = decodeTelemetry(payload, message);
    return read.is === "ok" ? { ...read, value: pointsOf(read.value) } : read;
  };
}

/** SenML in JSON or CBOR, or a flat JSON object, told apart by the first byte (docs/protocol/telemetry.md). */
export const decodeTelemetry: Decode<MeasuredPoint[]> = (payload, { receivedAt }) =>
  caught<MeasuredPoint[]>(() => {
    const first = firstByte(payload);
    if ((first >= 0x80 && first <= 0x9b) || first === 0x9f) return readPack(recordsOfCbor(decodeCbor(payload)), receivedAt);
    // A map, of definite or indefinite length: a flat object in CBOR.
    if ((first >= 0xa0 && first <= 0xbb) || first === 0xbf) return readObject(membersOf(decodeCbor(payload)), receivedAt);
    if (beginsSparkplug(first)) return { value: resolveSparkplug(payload, receivedAt) };
    if (first !== 0x5b && first !== 0x7b)
      throw new Refused(
        "format_unknown",
        "The payload is none of a SenML pack or a flat object, in JSON or CBOR, and a Sparkplug B payload.",
      );
    const json = parseJson(payload);
    if (Array.isArray(json)) return readPack(recordsOfJson(json), receivedAt);
    // JSON that begins with "{" is an object.
    return readObject(json as Record<string, unknown>, receivedAt);
  });

function readObject(members: Record<string, unknown>, receivedAt: number): Read<MeasuredPoint[]> {
  return { value: resolveFlat(members, receivedAt), ...sequenceIn(members._seq, members._boot) };
}

function membersOf(map: Cbor): Record<string, unknown> {
  if (!(map instanceof Map)) throw new Refused("format_unknown", "The payload is no map.");
  for (const key of map.keys())
    if (typeof key !== "string") throw new Refused("metric_invalid", `The key ${key} of a flat object is not a text.`);
  return Object.fromEntries(map);
}

function readPack(records: readonly ReadonlyMap<string, unknown>[], receivedAt: number): Read<MeasuredPoint[]> {
  const [first] = records;
  return { value: resolveSenml(records, receivedAt), ...sequenceIn(first?.get("_seq"), first?.get("_boot")) };
}

/** [T5] */
function sequenceIn(seq: unknown, boot: unknown): { sequence?: Sequence } {
  if (seq === undefined && boot === undefined) return {};
  const sequence = readSequence(seq, boot);
  if (sequence) return { sequence };
  throw new Refused(
    "sequence_invalid",
    '"_seq" is a whole number from 0 on and "_boot" the name of the device\'s boot, 1 to 64 letters, digits and . _ : -; both or neither.',
  );
}

export const decodeHeartbeat: Decode<Heartbeat> = bySchema(heartbeat, "heartbeat_invalid");
export const decodeEvent: Decode<DeviceEvent> = bySchema(deviceEvent, "event_invalid");
export const decodeLogs: Decode<DeviceLogs> = bySchema(deviceLogs, "logs_invalid");

/** A decoder for a JSON document with a schema; a refusal names the first field that is wrong. */
export function bySchema<Value>(schema: z.ZodType<Value>, because: Refusal): Decode<Value> {
  return (payload: Buffer, _message: UpMessage) =>
    caught<Value>(() => {
      firstByte(payload);
      const read = schema.safeParse(parseJson(payload));
      if (read.success) return { value: read.data };
      const [issue] = read.error.issues;
      const field = issue?.path.join(".") || "the document";
      throw new Refused(because, `${field}: ${issue?.message ?? "is not what it should be"}`.slice(0, 300));
    });
}

type Read<Value> = { value: Value; sequence?: Sequence };

function caught<Value>(read: () => Read<Value>): Decoded<Value> {
  try {
    return { is: "ok", ...read() };
  } catch (error) {
    if (error instanceof Refused) return { is: "refused", because: error.because, detail: error.message };
    throw error;
  }
}

/** The first byte that is not JSON's white space. */
function firstByte(payload: Buffer): number {
  if (payload.length > limits.payloadBytes)
    throw new Refused("payload_too_large", `A payload may have ${limits.payloadBytes} bytes, this one has ${payload.length}.`);
  for (const byte of payload) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return byte;
  throw new Refused("payload_empty", "The payload is empty.");
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function parseJson(payload: Buffer): unknown {
  if (isNestedDeeper(payload)) throw new Refused("json_invalid", `The payload is nested deeper than ${deepestJson} levels.`);
  let text: string;
  try {
    text = utf8.decode(payload);
  } catch {
    throw new Refused("json_invalid", "The payload is not UTF-8.");
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Refused(
      "json_invalid",
      `The payload is not JSON: ${error instanceof Error ? error.message.slice(0, 200) : "it cannot be read"}.`,
    );
  }
}
