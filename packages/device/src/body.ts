import type { AttestationOutcome, Heartbeat, SignedRelease } from "@tenfold/contracts";
import type { BootRecord, Slot } from "./boot.ts";
import type { Memory } from "./memory.ts";
import type { DeviceTrust, MetadataTalk } from "./metadata.ts";
import type { Running } from "./picture.ts";

/** A live connection to the platform. It is used once: when it goes down, another is opened. */
export type Link = {
  /**
   * Resolves when the platform has acknowledged, which means durable. Rejects with `publish_refused`, `publish_unanswered` or `link_lost`. With
   * `count` a message that is sent again is stored once [docs/protocol/telemetry.md T5].
   */
  publish(topic: string, payload: string, count?: MessageCount): Promise<void>;
  /**
   * Renews over this connection: the certificate with which it was made is the one that is renewed; answers the new one as DER. Rejects with
   * `enrollment_refused` (a no), `enrollment_unreachable` (later), or as `publish` does where a platform does not know this way. Absent where a link
   * cannot.
   */
  certify?(csr: string): Promise<Buffer>;
  /** [M23] Over how many seconds the platform asks devices to spread their next coming; absent where it does not say. */
  readonly reconnectWithinS?: number | undefined;
  close(): Promise<void>;
};

/** `seq` grows by one with each message of a `boot`, from which it starts anew. */
export type MessageCount = { readonly seq: number; readonly boot: string };

export type LinkEvents = {
  onMessage(topic: string, payload: string): void;
  /** Once, when the link that was open is no more. */
  onDown(because: string): void;
};

/** Where firmware lies. What `flush` has finished is still there after a power cut. */
export type Slots = {
  /** Empties the slot: from here on it cannot be started. */
  erase(slot: Slot): Promise<void>;
  /** Cuts the slot to `bytes` and answers how many there are: fewer where they were lost. */
  keep(slot: Slot, bytes: number): Promise<number>;
  append(slot: Slot, chunk: Uint8Array): Promise<void>;
  flush(slot: Slot): Promise<void>;
  digest(slot: Slot): Promise<{ sha256: string; size: number }>;
  /**
   * Makes what was received startable, with the signed release beside it: before, no boot loader can start it. Durable when it resolves, and
   * may be asked for again. What takes long calls `onProgress` (0 to 1) at least each second. Rejects with `install_incompatible`,
   * `install_untrusted` or `install_failed` where an installer of the machine's own refuses it.
   */
  install(slot: Slot, release: SignedRelease, onProgress: (share: number) => void): Promise<void>;
};

/**
 * What a brain needs of the thing that it lives in. Two are real: the agent's (files, sockets) and the simulator's (memory, sockets,
 * bad weather). Everything that says "save" is durable when it resolves, and is all or nothing.
 */
export type Body = {
  readonly running: Running;
  readonly clock: { now(): number; mono(): number };
  loadMemory(): Promise<Memory | undefined>;
  saveMemory(memory: Memory): Promise<void>;
  /** What the boot loader keeps. Only the boot loader and the brain write it, never both at once. */
  loadBoot(): Promise<BootRecord>;
  saveBoot(record: BootRecord): Promise<void>;
  readonly slots: Slots;
  /**
   * Gets a certificate and keeps it with its new key: `first` by EST with the manufacturer's identity or a one-time code, `renewal` over the link
   * where one stands, else by EST.
   */
  enroll(kind: "first" | "renewal", link: Link | undefined): Promise<{ notBefore: number; notAfter: number }>;
  connect(events: LinkEvents): Promise<Link>;
  /** Asks the platform which roots to believe and keeps them [D3]. `now` is the time as far as it is known. Rejects where nobody answers. */
  refreshTrust(now: number): Promise<void>;
  /** Signed metadata: what is kept of it, and where to ask for it. A body without it takes releases by `trustedKeys` alone. */
  readonly metadata?: {
    load(): Promise<DeviceTrust | undefined>;
    save(trust: DeviceTrust): Promise<void>;
    talk(): Promise<MetadataTalk>;
  };
  /** The artifact's bytes from an offset on. Rejects with `download_failed` (try again) or `download_refused` (do not). */
  download(wanted: { path: string; from: number }): Promise<AsyncIterable<Uint8Array>>;
  /** Measures, and sends or keeps what was measured. Its failures are the body's own: they do not stop the brain. */
  takeSample(link: Link | undefined): Promise<void>;
  /** Whether the new firmware is fit to stay. Asked once it has reached the platform. */
  selfTest(): Promise<{ is: "pass" } | { is: "fail"; detail: string }>;
  /** Makes itself known to a person who stands before it (a light, a sound) for a while. A body that cannot has none. */
  identify?(seconds: number): Promise<void>;
  /** Shows the platform anew that the certificate's key is in its TPM, and what runs here. A body without a TPM has none. */
  attest?(): Promise<AttestationOutcome>;
  /** What else the heartbeat can say. */
  vitals(): Partial<Pick<Heartbeat, "power" | "net" | "memory" | "queue" | "counters" | "clock" | "trust">>;
};
