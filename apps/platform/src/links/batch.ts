import { deepestJson, isNestedDeeper } from "@tenfold/base";
import { parseUpTopic, type UpChannel } from "@tenfold/contracts";
import { z } from "zod";
import { type Sequence, sequenceOf, unreadableSequence } from "./sequence.ts";

/** One line of a batch, read. */
export type BatchLine =
  | { is: "message"; channel: UpChannel; id?: string; payload: Buffer; sequence?: Sequence }
  | { is: "refused"; because: string; detail: string };

/** Messages in one request. */
export const mostLines = 1_000;

const shape = z.strictObject({
  topic: z.string().max(256),
  payload: z.union([z.record(z.string(), z.json()), z.array(z.json())]).optional(),
  base64: z.base64().optional(),
  seq: z.number().optional(),
  boot: z.string().optional(),
});

/**
 * [H10] The lines of a batch, empty ones left out; one more than there may be, where there are more. A line that cannot be read is refused by itself, and
 * keeps no other from being taken.
 */
export function readBatch(body: Buffer): BatchLine[] {
  const lines: BatchLine[] = [];
  for (let at = 0; at < body.length && lines.length <= mostLines; ) {
    const end = body.indexOf(newline, at);
    const line = body.subarray(at, end === -1 ? body.length : end);
    at += line.length + 1;
    if (line.some((byte) => byte > 0x20)) lines.push(readLine(line));
  }
  return lines;
}

const newline = 0x0a;

function readLine(line: Buffer): BatchLine {
  if (isNestedDeeper(line)) return invalid(`a line is nested at most ${deepestJson} levels deep`);
  const read = shape.safeParse(jsonIn(line.toString("utf8")));
  if (!read.success) {
    const [issue] = read.error.issues;
    return invalid(`${issue?.path.join(".") || "the line"}: ${issue?.message ?? "is not what it should be"}`);
  }
  const { topic, payload, base64, seq, boot } = read.data;
  const to = parseUpTopic(topic);
  if (to === undefined) return { is: "refused", because: "device_topic_unknown", detail: `"${topic}" is not a topic of a device.` };
  if ((payload === undefined) === (base64 === undefined)) return invalid('a line has either "payload" or "base64"');
  const sequence = sequenceOf(seq === undefined ? undefined : String(seq), boot);
  if (sequence === "unreadable") return { is: "refused", because: "sequence_invalid", detail: unreadableSequence };
  const bytes = base64 === undefined ? Buffer.from(JSON.stringify(payload)) : Buffer.from(base64, "base64");
  return { is: "message", ...to, payload: bytes, ...(sequence ? { sequence } : {}) };
}

const invalid = (detail: string): BatchLine => ({ is: "refused", because: "batch_line_invalid", detail: detail.slice(0, 300) });

function jsonIn(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
