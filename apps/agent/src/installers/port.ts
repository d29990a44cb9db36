import type { BootRecord, Running, Slot, Slots } from "@tenfold/device";

/**
 * How this machine keeps firmware in two slots: receives an image, installs it, tries it for one start, keeps it or goes back. The brain decides;
 * an installer carries it out and says what became of it. Contract: test/installers.contract.ts.
 */
export type Installer = {
  /** Once after each start: which slot runs, and what the boot loader did since the last time. */
  start(): Promise<Started>;
  readonly slots: Slots;
  loadBoot(): Promise<BootRecord>;
  /** Carries a new record out: arms a trial, keeps it, gives it up. Durable when it resolves; safe to ask for again. */
  saveBoot(next: BootRecord): Promise<void>;
  /** Whether a reboot is another `start` in this process, or the machine's. */
  readonly reboots: "here" | "machine";
  close(): Promise<void>;
};

export type Started = {
  readonly running: Running;
  /** What the boot loader wrote, where it left the firmware that it was asked to try. */
  readonly bootLog?: string | undefined;
};

/** What a boot loader outside of this process knows and can be told. Each is durable when it resolves and may be said twice. */
export type BootControl = {
  /** The slot that was started. */
  booted(): Promise<Slot>;
  /** The next start is this slot's, with a full count of tries. */
  tryNext(slot: Slot): Promise<void>;
  /** This slot, which runs, has proved itself. */
  markGood(slot: Slot): Promise<void>;
  /** This slot is not to be started again. */
  markBad(slot: Slot): Promise<void>;
};
