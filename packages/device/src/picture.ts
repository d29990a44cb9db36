import type { CommandDocument, DesiredDocument, IdentityNotice, NextDeployment } from "@tenfold/contracts";
import type { PublicKey } from "@tenfold/ota";
import type { BootRecord, Slot } from "./boot.ts";
import { trustInterval } from "./identity.ts";
import type { Memory } from "./memory.ts";
import type { DeviceRoots, DeviceTrust, OfferCheckup } from "./metadata.ts";

/** What a device is told when it is made or set up. Lengths of time are milliseconds. */
export type DeviceConfig = {
  readonly device: string;
  readonly model: string;
  /** What the board says of itself; releases may be limited to some. */
  readonly hardwareRevision?: string;
  readonly heartbeatMs: number;
  readonly telemetryMs: number;
  /** The first roots of the image repository and the director. With them release keys count no more. */
  readonly roots?: DeviceRoots | undefined;
  /** Whose releases this device believes as long as it knows no roots. None means that it takes no update. */
  readonly trustedKeys: readonly PublicKey[];
  /** The oldest version that this device ever takes. */
  readonly securityFloor?: string;
  /** How long a stage waits for the platform to acknowledge its report, before the update goes on without. */
  readonly reportPatienceMs: number;
  /** How long new firmware may take to prove itself before it gives itself up. */
  readonly trialPatienceMs: number;
  readonly retryBaseMs: number;
  readonly retryCapMs: number;
};

export const defaultPatience = { reportPatienceMs: 30_000, trialPatienceMs: 300_000, retryBaseMs: 1_000, retryCapMs: 300_000 };

/** The configuration as the platform has changed it. */
export function withSettings(
  config: DeviceConfig,
  { settings: { heartbeatMs, telemetryMs } }: Pick<Memory, "settings">,
): DeviceConfig {
  if (heartbeatMs === undefined && telemetryMs === undefined) return config;
  return { ...config, heartbeatMs: heartbeatMs ?? config.heartbeatMs, telemetryMs: telemetryMs ?? config.telemetryMs };
}

/** The firmware that runs, as its boot loader started it. `bootedAt` is on the device's monotonic clock. */
export type Running = {
  readonly slot: Slot;
  readonly version: string;
  readonly hash?: string;
  readonly bootId: string;
  readonly bootedAt: number;
};

/** A thing that fails and is tried again: no earlier than `at`. */
export type Retry = { failures: number; at: number };

/** What a device knows only while it runs. Times are monotonic milliseconds, because wall clocks jump. */
export type Session = {
  link: "up" | "down";
  /** The next heartbeat's number. */
  seq: number;
  heartbeatDueAt: number;
  telemetryDueAt: number;
  /** Whether the platform has acknowledged a heartbeat of this boot. */
  heardThisBoot: boolean;
  heard: NextDeployment | undefined;
  heardCommands: CommandDocument[];
  heardDesired: DesiredDocument | undefined;
  heardNotice: IdentityNotice | undefined;
  /** The last one that was taken in. */
  notice: IdentityNotice | undefined;
  /** How far the device's clock is known to be behind the time, in milliseconds. Only decisions about certificates use it. */
  clockOffset: number;
  /** What signed metadata said about an offer: `unguarded` where neither device nor platform knows of any. */
  checked: { deployment: string; verdict: OfferCheckup } | undefined;
  /** When to look at the metadata without being offered anything, so that a freeze is noticed. */
  metadataDueAt: number;
  /** When the offer was first heard. */
  heardAt: number;
  checking: Retry;
  /** When to ask for the platform's roots again. */
  trustDueAt: number;
  /** Whether the platform refused to renew a certificate that has ended. */
  recovery: "possible" | "refused";
  /** Over how many milliseconds the platform asked devices to spread their coming back. */
  reconnectWithin: number;
  connecting: Retry;
  refreshing: Retry;
  enrolling: Retry;
  downloading: Retry;
  reporting: Retry;
};

/** Everything that a decision may rest on. `now` is the wall clock, `mono` the monotonic one. */
export type Picture = {
  readonly config: DeviceConfig;
  readonly memory: Memory;
  readonly trust: DeviceTrust | undefined;
  /** Whether the body can ask for metadata at all. */
  readonly asksMetadata: boolean;
  readonly boot: BootRecord;
  readonly running: Running;
  readonly session: Readonly<Session>;
  readonly now: number;
  readonly mono: number;
};

export const freshSession = ({ seqReserved }: Memory, { mono, device }: { mono: number; device: string }): Session => ({
  link: "down",
  seq: seqReserved,
  heartbeatDueAt: mono,
  telemetryDueAt: mono,
  heardThisBoot: false,
  heard: undefined,
  heardCommands: [],
  heardDesired: undefined,
  checked: undefined,
  metadataDueAt: mono + trustInterval(device),
  heardAt: mono,
  checking: { failures: 0, at: mono },
  heardNotice: undefined,
  notice: undefined,
  clockOffset: 0,
  // Whoever connects is told whether there is anything new.
  trustDueAt: mono + trustInterval(device),
  recovery: "possible",
  reconnectWithin: 0,
  connecting: { failures: 0, at: mono },
  refreshing: { failures: 0, at: mono },
  enrolling: { failures: 0, at: mono },
  downloading: { failures: 0, at: mono },
  reporting: { failures: 0, at: mono },
});
