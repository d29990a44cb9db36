import { z } from "zod";

/** Two places for firmware: one runs, the other one is written. */
export type Slot = "a" | "b";
export const otherSlot = (slot: Slot): Slot => (slot === "a" ? "b" : "a");

/**
 * What the boot loader keeps, apart from the system that it boots. `good` was confirmed once; `trial` has `tries` starts behind it.
 * `tag` names the deployment, so that the verdict about one update is never taken for the verdict about another.
 */
export const bootRecord = z.strictObject({
  good: z.enum(["a", "b"]),
  trial: z.strictObject({ slot: z.enum(["a", "b"]), tag: z.string(), tries: z.int().min(0) }).optional(),
  fellBack: z
    .strictObject({ tag: z.string(), because: z.enum(["boot_loop", "boot_fell_back", "validate_self_test_failed"]) })
    .optional(),
});
export type BootRecord = z.infer<typeof bootRecord>;
export type FallBackReason = NonNullable<BootRecord["fellBack"]>["because"];

/** Starts of one trial before the boot loader gives it up. */
export const trialStarts = 3;

export type BootChoice = { record: BootRecord; slot: Slot } | { record: BootRecord; slot: undefined };

/**
 * The boot loader's decision at power on. The caller stores `record` before it starts `slot`: a start that was not counted could be
 * repeated for ever. `startable` says whether a slot holds firmware whose hash and signature are right. `slot` is undefined only where
 * neither does, which no update can bring about: the good slot is never written to.
 */
export function chooseSlot(record: BootRecord, startable: (slot: Slot) => boolean): BootChoice {
  const { trial } = record;
  if (trial === undefined) return { record, slot: bestOf(record.good, startable) };
  if (trial.tries >= trialStarts) return fallBack(record, { tag: trial.tag, because: "boot_loop" }, startable);
  if (!startable(trial.slot)) return fallBack(record, { tag: trial.tag, because: "boot_fell_back" }, startable);
  return { record: { ...record, trial: { ...trial, tries: trial.tries + 1 } }, slot: trial.slot };
}

function fallBack(
  { good }: BootRecord,
  fellBack: NonNullable<BootRecord["fellBack"]>,
  startable: (slot: Slot) => boolean,
): BootChoice {
  return { record: { good, fellBack }, slot: bestOf(good, startable) };
}

// The other slot is a last resort for a good one whose storage went bad.
const bestOf = (good: Slot, startable: (slot: Slot) => boolean): Slot | undefined =>
  [good, otherSlot(good)].find((slot) => startable(slot));

/** Asks for a trial of a slot at the next start. The good slot cannot be asked for: it is no trial. */
export function armTrial(record: BootRecord, { slot, tag }: { slot: Slot; tag: string }): BootRecord {
  return slot === record.good ? record : { good: record.good, trial: { slot, tag, tries: 0 } };
}

/** The running trial is good from now on. */
export const confirmTrial = (record: BootRecord): BootRecord => (record.trial ? { good: record.trial.slot } : record);

/** The running trial gives itself up: the next start is the good slot's. */
export function abandonTrial(record: BootRecord, because: FallBackReason): BootRecord {
  return record.trial ? { good: record.good, fellBack: { tag: record.trial.tag, because } } : record;
}
