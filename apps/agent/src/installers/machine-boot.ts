import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { BootRecord, Running, Slot, Slots } from "@tenfold/device";
import { readOptionalFile, writeFileAtomically } from "@tenfold/pki";
import { afterStart } from "./after-start.ts";
import type { BootControl, Installer } from "./port.ts";

export type MachineBoot = {
  readonly folder: string;
  readonly slots: Slots & { close(): Promise<void> };
  readonly control: BootControl;
  readonly record: { load(): Promise<BootRecord>; save(record: BootRecord): Promise<void> };
  /** What lies in a slot, as far as it is known. */
  describe(slot: Slot): Promise<Pick<Running, "version" | "hash">>;
  /** The file that the boot loader writes: JSON objects with `event` and `slot`, a line each. */
  readonly bootLog?: string | undefined;
};

const mostLogLines = 200;

/**
 * An installer whose slots are started by a boot loader outside of this process. The record is written before the boot loader is told;
 * `trial-told` after it was told of a trial, `giving-up` before it is told of an end: so a power cut between any two is seen at the next start.
 */
export function machineBoot({ folder, slots, control, record, describe, bootLog }: MachineBoot): Installer {
  const intent = join(folder, "giving-up");
  const told = join(folder, "trial-told");
  const givingUp = async (): Promise<Slot | undefined> => {
    const text = (await readOptionalFile(intent))?.trim();
    return text === "a" || text === "b" ? text : undefined;
  };
  const giveUp = async (slot: Slot) => {
    await control.markBad(slot);
    await rm(intent, { force: true });
  };
  const readLog = async () => ((bootLog && (await readOptionalFile(bootLog))) ?? "").trimEnd().split("\n").slice(-mostLogLines);

  return {
    slots,
    reboots: "machine",
    loadBoot: record.load,
    close: slots.close,
    async start() {
      const booted = await control.booted();
      const lines = await readLog();
      const before = await record.load();
      const decided = afterStart({
        record: before,
        booted,
        told: (await readOptionalFile(told))?.trim(),
        refused: refusedIn(lines),
        givingUp: await givingUp(),
      });
      if (JSON.stringify(decided.record) !== JSON.stringify(before)) await record.save(decided.record);
      if (decided.tell.do === "good") await control.markGood(decided.tell.slot);
      if (decided.tell.do === "bad") await giveUp(decided.tell.slot);
      const running = { slot: booted, ...(await describe(booted)), bootId: randomUUID(), bootedAt: performance.now() };
      return { running, bootLog: decided.fellBack ? lines.join("\n") : undefined };
    },
    async saveBoot(next) {
      const before = await record.load();
      const abandoned = before.trial !== undefined && next.trial === undefined && next.good === before.good;
      if (before.trial && abandoned) await writeFileAtomically(intent, before.trial.slot, 0o600);
      await record.save(next);
      if (next.trial && next.trial.tries === 0) {
        await control.tryNext(next.trial.slot);
        await writeFileAtomically(told, next.trial.tag, 0o600);
      } else if (before.trial && abandoned) await giveUp(before.trial.slot);
      else if (next.trial === undefined) await control.markGood(next.good);
    },
  };
}

/** Slots that the boot loader refused after it was last asked to start them. */
export function refusedIn(lines: readonly string[]): Slot[] {
  const last = new Map<string, string>();
  for (const line of lines) {
    const [, event] = /"event":"([a-z_]+)"/.exec(line) ?? [];
    const [, slot] = /"slot":"([ab])"/.exec(line) ?? [];
    if (event !== undefined && slot !== undefined && (event === "refused" || event === "start")) last.set(slot, event);
  }
  return (["a", "b"] as const).filter((slot) => last.get(slot) === "refused");
}
