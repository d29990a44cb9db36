import { z } from "zod";

const item = z.discriminatedUnion("is", [
  z.object({
    is: z.literal("event"),
    type: z.string(),
    at: z.string(),
    subject: z.string(),
    data: z.record(z.string(), z.json()),
  }),
  z.object({ is: z.literal("hint"), topic: z.string(), body: z.json() }),
]);

/** One thing that a process tells the others: an event that browsers see too, or a hint for its counterparts alone. */
export type Item = z.infer<typeof item>;
export type HintBody = Extract<Item, { is: "hint" }>["body"];

const envelope = z.object({
  /** Which process speaks. */
  node: z.string(),
  /** Counts its envelopes from 1: a number that is missing was something that nobody heard. */
  seq: z.number().int(),
  /** Its clock, never behind what it has heard of others: who answers comes after what was asked. */
  stamp: z.number(),
  items: z.array(item),
});
export type Envelope = z.infer<typeof envelope>;

/** Undefined where the text is none. */
export function readEnvelope(text: string): Envelope | undefined {
  try {
    return envelope.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Room for node, number and stamp. */
const frameBytes = 160;

/** The items in as few envelopes as `maxBytes` allows, in order. Of an event too large for any, only type and subject are told: whoever shows it asks. */
export function packItems(items: readonly Item[], maxBytes: number): Item[][] {
  const room = maxBytes - frameBytes;
  const packed: Item[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const given of items) {
    const whole = Buffer.byteLength(JSON.stringify(given)) + 1;
    const fits = whole <= room;
    const item = fits || given.is === "hint" ? given : { ...given, data: {} };
    const bytes = fits ? whole : Buffer.byteLength(JSON.stringify(item)) + 1;
    if (bytes > room) continue;
    if (size + bytes > room) {
      packed.push([]);
      size = 0;
    }
    packed.at(-1)?.push(item);
    size += bytes;
  }
  return packed;
}
