import { describeError, Problem } from "@tenfold/base";
import type { Body, Link } from "./body.ts";
import type { BootRecord } from "./boot.ts";
import type { Memory } from "./memory.ts";
import type { DeviceTrust } from "./metadata.ts";
import type { DeviceConfig, Picture, Retry, Session } from "./picture.ts";

export type Note = (event: string, fields?: Record<string, unknown>) => void;

/** Bytes of an artifact on their way, kept open from one step to the next. */
export type Artifact = { readonly iterator: AsyncIterator<Uint8Array>; close(): Promise<void> };

/** What the acts of a brain share. */
export type Mind = {
  readonly body: Body;
  /** As set up. What the platform has changed of it stands in the memory; `picture().config` has both. */
  readonly config: DeviceConfig;
  readonly session: Session;
  readonly note: Note;
  /** Set once, when the body is taken away. */
  stopped: boolean;
  memory: Memory;
  /** Undefined as long as the device knows release keys only. */
  trust: DeviceTrust | undefined;
  boot: BootRecord;
  link: Link | undefined;
  artifact: Artifact | undefined;
  picture(): Picture;
  remember(memory: Memory): Promise<void>;
  /** Puts the next try off, by chance; `baseMs` where the platform said over how long to spread it. */
  later(retry: Retry, baseMs?: number): void;
  openLink(): Promise<void>;
};

/** For notes: the code where there is one, and the sentence. */
export const failure = (error: unknown): { code?: string; because: string } => ({
  ...(error instanceof Problem ? { code: error.code } : {}),
  because: describeError(error),
});
