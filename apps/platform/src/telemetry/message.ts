import type { Scope } from "@tenfold/base";
import type { UpChannel } from "@tenfold/contracts";

/** What a device sent, as its link hands it over. Who sent it comes from the certificate, never from the payload. */
export type UpMessage = {
  device: string;
  scope: Scope;
  channel: UpChannel;
  /** The id that stood in the topic: of a deployment or a command. */
  id?: string;
  payload: Buffer;
  /** Which of the device's messages it is, where the device counts them: a message that comes again is stored once. */
  sequence?: { boot: string; seq: number };
  /** The server's time, milliseconds since 1970. */
  receivedAt: number;
  transport: "mqtt" | "https";
  remoteAddress?: string;
  /** The same object for all messages of one connection: what a message may refer to that was said before. */
  connection?: object;
};

/** `stored` means durable, and only that may be acknowledged. `refused` will never be taken; `unavailable` may be, if sent again. */
export type Received =
  | { is: "stored" }
  | { is: "refused"; because: string; detail: string }
  | { is: "unavailable"; detail: string };

/** `sequence` where the payload itself holds it. */
export type Decoded<Value> =
  | { is: "ok"; value: Value; sequence?: { boot: string; seq: number } }
  | { is: "refused"; because: string; detail: string };

/** Reads a payload. Pure, so that the same message means the same after a crash, when it is read again. */
export type Decode<Value> = (payload: Buffer, message: UpMessage) => Decoded<Value>;
