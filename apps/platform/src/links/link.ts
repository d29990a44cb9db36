import type { Scope } from "@tenfold/base";
import type { UpChannel } from "@tenfold/contracts";

/** A message from a device, as the intake gets it. Who sent it comes from the certificate, never from the payload. */
export type UpMessage = {
  device: string;
  scope: Scope;
  channel: UpChannel;
  /** The deployment's or the command's id, where the topic held one. */
  id?: string;
  /** A view that is valid until the promise of `receive` settles, and after it only for as long as it is held. */
  payload: Buffer;
  /** Which of the device's messages it is, where the device counts them: a message that comes again is stored once. */
  sequence?: { boot: string; seq: number };
  /** When its last byte was here, milliseconds since 1970. */
  receivedAt: number;
  transport: Transport;
  remoteAddress?: string;
  /** The same object for all messages of one connection: what a message may refer to that was said before. */
  connection?: object;
  /** SHA-256 of the certificate with which that connection was made, lower-case hex. */
  fingerprint?: string;
};

/** `stored` is durable: only then does the device hear an acknowledgement. `unavailable` makes it send again. */
export type Received =
  | { is: "stored" }
  | { is: "refused"; because: string; detail: string }
  | { is: "unavailable"; detail: string };

export type Transport = "mqtt" | "https";

/** Who stands at the other end; `issuedAt` is when its certificate was made, where that is known. */
export type Identity = { device: string; scope: Scope; fingerprint: string; issuedAt?: number };
export type Admission = ({ is: "admit" } & Identity) | { is: "refuse"; because: string; detail: string };

/** Why a connection is closed from this side: a code for programs, an MQTT 5 reason, a sentence. */
export type Farewell = { because: string; reason: number; detail: string };

/** One live connection of an admitted device. */
export type Link = {
  readonly identity: Identity;
  readonly transport: Transport;
  /** False while an MQTT client has not yet been let in. */
  readonly open: boolean;
  close(farewell: Farewell): void;
  /** Sends a message down; false when this connection does not take it. */
  offer(topic: string, payload: string): boolean;
  /** What stands at a topic below the device's own has changed: reads it and sends it. False where the device does not listen for it here. */
  refresh(topic: string): boolean;
};
