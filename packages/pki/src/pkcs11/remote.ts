import { spawn } from "node:child_process";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { Socket } from "node:net";
import { describeError, type Problem, seconds } from "@tenfold/base";
import { pkiProblems } from "../errors.ts";
import { faultOf } from "./names.ts";
import { frame, newestVersion, type RpcCall, RpcReader, RpcWriter, readMessage, takeFrame, writeMessage } from "./rpc.ts";

/** One call to the token: what is written, and how the answer is read. */
type Call<T> = {
  readonly call: RpcCall;
  readonly write?: (to: RpcWriter) => RpcWriter;
  readonly read: (from: RpcReader) => T;
};

export type Ask = <T>(call: Call<T>) => Promise<T>;

/** A token's library in a process of its own: it cannot crash this one, and this process never loads foreign code. */
export type Remote = {
  /** A turn: the calls of one piece of work, between which no other comes. (The helper does not bear a second call before its answer.) */
  turn<T>(work: (ask: Ask) => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

/** The token said no. `value` is its CK_RV. */
export class TokenRefusal extends Error {
  override readonly name = "TokenRefusal";
  readonly value: bigint;

  constructor(call: RpcCall, value: bigint) {
    super(`${call}: ${faultOf(value).name}`);
    this.value = value;
  }
}

/** Hardware tokens take up to a second for a key; one that takes longer than this is not there. */
const deadline = seconds(20);

type Waiting = { resolve(message: Buffer): void; reject(cause: unknown): void; timer: NodeJS.Timeout };

/** Starts `p11-kit remote` for one token. Throws `key_store_unreachable` where p11-kit is not installed. */
export async function openRemote({ token, modulePath }: { token: string; modulePath: string | undefined }): Promise<Remote> {
  if (modulePath !== undefined) await assertReadable(modulePath);
  const args = ["remote", ...(modulePath === undefined ? [] : ["--provider", modulePath]), token];
  const child = spawn("p11-kit", args, { stdio: ["pipe", "pipe", "pipe"] });
  const waiting: Waiting[] = [];
  let received = Buffer.alloc(0);
  // Known once the helper has answered the first byte, which it does before it takes any call.
  const greeting = Promise.withResolvers<number>();
  greeting.promise.catch(() => {});
  const hurry = setTimeout(() => end(`its helper did not begin within ${deadline / 1_000} s.`), deadline);
  greeting.promise.finally(() => clearTimeout(hurry)).catch(() => {});
  let greeted = false;
  let complaint = "";
  let ended: Problem | undefined;
  let number = 0;

  const end = (why: string, cause?: unknown) => {
    ended ??= pkiProblems.key_store_unreachable(`The token ${token} cannot be reached: ${why}`, {
      ...(cause === undefined ? {} : { cause }),
      fix: "Install p11-kit and the token's library; `p11-kit list-modules` must show the token. Name the library with module-path= where p11-kit does not know it.",
    });
    for (const { reject, timer } of waiting.splice(0)) {
      clearTimeout(timer);
      reject(ended);
    }
    greeting.reject(ended);
    child.kill("SIGKILL");
  };
  child.once("error", (cause) => end(describeError(cause), cause));
  child.once("close", () => end(complaint.trim().split("\n").at(-1) || "its helper p11-kit ended."));
  child.stdin.on("error", (cause) => end(describeError(cause), cause));
  child.stderr.on("data", (text: Buffer) => {
    complaint = (complaint + text.toString("utf8")).slice(-500);
  });
  child.stdout.on("data", (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    if (!greeted && received.length > 0) {
      greeted = true;
      greeting.resolve(Math.min(newestVersion, received[0] ?? 0));
      received = received.subarray(1);
    }
    try {
      for (let cut = takeFrame(received); cut !== undefined; cut = takeFrame(received)) {
        received = Buffer.from(cut.rest);
        const next = waiting.shift();
        clearTimeout(next?.timer);
        next?.resolve(cut.message);
      }
    } catch (cause) {
      end(describeError(cause), cause);
    }
  });
  child.stdin.write(Buffer.from([newestVersion]));
  // An idle token keeps no process alive that wants to end; a call that waits does, by its timer.
  child.unref();
  for (const stream of [child.stdin, child.stdout, child.stderr]) if (stream instanceof Socket) stream.unref();

  const send = ({ call, write = (to) => to }: Call<unknown>, version: number): Promise<Buffer> => {
    if (ended !== undefined) return Promise.reject(ended);
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    waiting.push({ resolve, reject, timer: setTimeout(() => end(`no answer for ${deadline / 1_000} s.`), deadline) });
    number = (number % 0x7fff_ffff) + 1;
    child.stdin.write(frame(number, writeMessage(call, "request", write(new RpcWriter(version)).done())));
    return promise;
  };

  let last: Promise<unknown> = Promise.resolve();
  const ask: Ask = async (call) => {
    const version = await greeting.promise;
    return readAnswer(call, { version, message: await send(call, version) });
  };
  return {
    turn(work) {
      const mine = last.then(() => work(ask));
      last = mine.catch(() => {});
      return mine;
    },
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.ref();
      const gone = once(child, "exit");
      child.stdin.end();
      child.kill("SIGTERM");
      await gone;
    },
  };
}

async function assertReadable(modulePath: string): Promise<void> {
  await access(modulePath).catch((cause: unknown) => {
    throw pkiProblems.key_store_unreachable(`The token's library ${modulePath} cannot be read.`, {
      cause,
      fix: "Install it, or correct module-path= in the URI.",
    });
  });
}

function readAnswer<T>({ call, read }: Call<T>, { version, message }: { version: number; message: Buffer }): T {
  const answer = readMessage(message, "response");
  const values = new RpcReader(answer.values, version);
  if (answer.call === "error") throw new TokenRefusal(call, values.ulong());
  if (answer.call !== call) throw pkiProblems.key_store_unreachable(`The token's helper answered ${answer.call} to ${call}.`);
  return read(values);
}
