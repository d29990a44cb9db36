import type { BootRecord, Slot } from "@tenfold/device";

/** What is known after a start by a boot loader of the machine's own. */
export type AfterStart = {
  readonly record: BootRecord;
  readonly booted: Slot;
  /** The trial of which the boot loader was certainly told. */
  readonly told: string | undefined;
  /** Slots whose image the boot loader did not start because of what it is, by its log. */
  readonly refused: readonly Slot[];
  /** A slot that was to be given up; the power may have failed before the boot loader was told. */
  readonly givingUp: Slot | undefined;
};

export type AfterStartDecision = {
  readonly record: BootRecord;
  /** What the boot loader is to be told now. */
  readonly tell: { do: "good" | "bad"; slot: Slot } | { do: "nothing" };
  readonly fellBack: boolean;
};

const nothing = { do: "nothing" } as const;

/**
 * What a start means for the record. Pure. The boot loader's word counts: it knows what it started. Every way in which the power can fail
 * between the record and the boot loader is one of these cases, and comes out the same the second time.
 */
export function afterStart({ record, booted, told, refused, givingUp }: AfterStart): AfterStartDecision {
  const { good, trial } = record;
  if (givingUp === booted && good !== booted) return { record, tell: { do: "bad", slot: booted }, fellBack: false };
  if (trial === undefined) {
    // The boot loader left a slot that was good: its storage went bad, or it no longer starts. What runs is what there is.
    const kept: BootRecord = booted === good ? record : { good: booted };
    return { record: kept, tell: { do: "good", slot: booted }, fellBack: booted !== good };
  }
  if (booted === trial.slot)
    return { record: { ...record, trial: { ...trial, tries: trial.tries + 1 } }, tell: nothing, fellBack: false };
  // It may never have been told of the trial: the brain asks for it again.
  if (told !== trial.tag) return { record: { good }, tell: { do: "good", slot: booted }, fellBack: false };
  const because = refused.includes(trial.slot) ? "boot_fell_back" : "boot_loop";
  return { record: { good, fellBack: { tag: trial.tag, because } }, tell: { do: "good", slot: booted }, fellBack: true };
}
