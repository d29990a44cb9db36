/** What a device counts its messages by: its boot's name, and a number that grows by one with each message of the boot. */
export type Sequence = { boot: string; seq: number };

/** [T5] Reads both from texts beside the message; undefined where there is neither. */
export function sequenceOf(seq: string | undefined, boot: string | undefined): Sequence | "unreadable" | undefined {
  if (seq === undefined && boot === undefined) return undefined;
  if (seq === undefined || !/^\d{1,16}$/.test(seq) || !Number.isSafeInteger(Number(seq))) return "unreadable";
  return boot !== undefined && /^[A-Za-z0-9._:-]{1,64}$/.test(boot) ? { boot, seq: Number(seq) } : "unreadable";
}

export const unreadableSequence =
  "A sequence number is a whole number from 0 on, a boot's name 1 to 64 letters, digits and . _ : -; a message has both or neither.";
