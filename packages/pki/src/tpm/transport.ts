import { open } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { describeError, seconds } from "@tenfold/base";
import { pkiProblems } from "../errors.ts";
import { shownAddress, type TpmAddress } from "./address.ts";

/** One conversation with a TPM: a command goes in whole, its answer comes out whole. */
export type TpmTransport = { exchange(command: Buffer): Promise<Buffer> } & AsyncDisposable;

/** Making a key may take a chip this long. */
const deadline = seconds(60);
const headSize = 10;
const largestAnswer = 8_192;

/** Opens a conversation. Throws `key_store_unreachable` with what to do. */
export async function openTransport(address: TpmAddress): Promise<TpmTransport> {
  try {
    return address.is === "device" ? await openDevice(address.path) : await openSocket(address);
  } catch (cause) {
    throw pkiProblems.key_store_unreachable(`${shownAddress(address)} cannot be reached: ${describeError(cause)}`, {
      cause,
      fix: "Is there a TPM (`ls /dev/tpmrm0`), and may this user open it (group tss)? Name another with ?device=PATH or ?swtpm=HOST:PORT.",
    });
  }
}

/** The kernel's resource manager: what a conversation leaves in the TPM goes when it ends. */
async function openDevice(path: string): Promise<TpmTransport> {
  const file = await open(path, "r+");
  return {
    async exchange(command) {
      await file.write(command);
      const answer = Buffer.alloc(largestAnswer);
      const { bytesRead } = await within(file.read(answer, 0, answer.length, null), path);
      return answer.subarray(0, bytesRead);
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}

async function openSocket({ host, port }: { host: string; port: number }): Promise<TpmTransport> {
  const socket = connect({ host, port, noDelay: true });
  const named = `${host}:${port}`;
  await within(
    new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    }),
    named,
  );
  socket.on("error", () => {});
  return {
    async exchange(command) {
      const answer = within(readAnswer(socket), named);
      socket.write(command);
      return answer;
    },
    async [Symbol.asyncDispose]() {
      socket.destroy();
    },
  };
}

function readAnswer(socket: Socket): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  let received = Buffer.alloc(0);
  const onData = (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    const size = received.length < headSize ? Number.POSITIVE_INFINITY : received.readUInt32BE(2);
    if (size <= received.length) resolve(received.subarray(0, size));
    else if (received.length > largestAnswer) reject(new Error("its answer is too long"));
  };
  const onClose = () => reject(new Error("it closed the connection"));
  socket.on("data", onData);
  socket.once("close", onClose);
  return promise.finally(() => {
    socket.off("data", onData);
    socket.off("close", onClose);
  });
}

async function within<T>(work: Promise<T>, named: string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${named} gave no answer for ${deadline / 1_000} s`)), deadline);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
