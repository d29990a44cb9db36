/** The thread behind `tlsKeyOf`: while OpenSSL waits in the main thread for a signature, this one makes it. */
import { createServer, type Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import { describeError, Problem } from "@tenfold/base";
import { openHardwareKey } from "../key-uri.ts";
import { frame, newestVersion, takeFrame } from "./rpc.ts";
import { type ShownKey, serveToken } from "./token-server.ts";

export type BridgeAsk = { readonly id: number; readonly uri: string; readonly label: string };
export type BridgeAnswer =
  | { readonly id: number; readonly is: "shown" }
  | {
      readonly id: number;
      readonly is: "failed";
      readonly code: string;
      readonly message: string;
      readonly fix: string | undefined;
    };

const keys: ShownKey[] = [];
const { socket } = workerData as { socket: string };

function serve(client: Socket): void {
  let received = Buffer.alloc(0);
  let answer: ((message: Buffer) => Promise<Buffer>) | undefined;
  let work: Promise<unknown> = Promise.resolve();
  client.on("error", () => client.destroy());
  client.on("data", (bytes) => {
    received = Buffer.concat([received, bytes]);
    if (answer === undefined) {
      const version = Math.min(newestVersion, received[0] ?? 0);
      received = received.subarray(1);
      client.write(Buffer.from([version]));
      answer = serveToken(() => keys, version);
    }
    try {
      for (let cut = takeFrame(received); cut !== undefined; cut = takeFrame(received)) {
        received = Buffer.from(cut.rest);
        const { number, message } = cut;
        work = work.then(async () => client.write(frame(number, (await answer?.(message)) ?? Buffer.alloc(0))));
      }
    } catch {
      client.destroy();
    }
  });
}

async function show({ id, uri, label }: BridgeAsk): Promise<BridgeAnswer> {
  try {
    const { publicKey, signDigest } = await openHardwareKey(uri);
    keys.push({ label, publicKey, signDigest });
    return { id, is: "shown" };
  } catch (error) {
    const problem = error instanceof Problem ? error : undefined;
    return { id, is: "failed", code: problem?.code ?? "internal", message: describeError(error), fix: problem?.fix };
  }
}

const server = createServer(serve);
server.listen(socket, () => parentPort?.postMessage("listening"));
// The asks of this process are the only messages that come.
parentPort?.on("message", async (ask: BridgeAsk) => parentPort?.postMessage(await show(ask)));
