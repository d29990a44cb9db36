import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import type { Device, Doors } from "../../apps/platform/test/fleet.ts";
import type { Asked } from "./client.ts";

export type PlainAnswer = { status: number; body: string };

export type Pipeline = {
  /** Requests are answered in the order in which they were asked. Rejects when it stays without a readable answer. */
  ask(path: string, asked: Asked): Promise<PlainAnswer>;
  close(): void;
};

type Waiting = { method: string; bytes: Buffer; tries: number; resolve(answer: PlainAnswer): void; reject(error: Error): void };

const patienceMs = 20_000;
const mostTries = 4;

/**
 * HTTP/1.1 over one kept TLS connection with many requests under way [RFC 9112 9.3.2], written and read by hand: a tenth of the work of a general
 * client, and what it sends is what was asked, letter for letter. Where the platform closes, what is unanswered is sent again on the next connection.
 */
export function ddiPipeline(doors: Doors, device: Device): Pipeline {
  const { hostname, port, host } = new URL(doors.deviceUrl);
  const options: ConnectionOptions = {
    host: hostname,
    port: Number(port),
    servername: "localhost",
    ca: doors.ca,
    cert: device.cert,
    key: device.key,
  };
  const base = `/main/controller/v1/${device.id}`;
  const waiting: Waiting[] = [];
  let socket: TLSSocket | undefined;
  let unsent: Buffer[] = [];

  const open = (): TLSSocket => {
    const opened = connect(options).setNoDelay(true).setTimeout(patienceMs);
    let received: Buffer = Buffer.alloc(0);
    const read = (ended: "ended" | "open") => {
      for (let [first] = waiting; first !== undefined; [first] = waiting) {
        const answer = readAnswer(received, { method: first.method, ended });
        if (answer === undefined) return;
        received = received.subarray(answer.bytes);
        waiting.shift();
        first.resolve(answer);
      }
    };
    opened.on("data", (part: Buffer) => {
      received = received.length === 0 ? part : Buffer.concat([received, part]);
      const unreadable = failureOf(() => read("open"));
      if (unreadable) opened.destroy(unreadable);
    });
    let because: Error | undefined;
    opened.on("timeout", () => opened.destroy(new Error(`no answer within ${patienceMs / 1_000} s`)));
    opened.on("error", (error) => {
      because = error;
    });
    opened.on("close", () => {
      if (socket === opened) socket = undefined;
      tryAgain(failureOf(() => read("ended")) ?? because);
    });
    return opened;
  };
  const tryAgain = (because = new Error("The connection was closed without an answer.")) => {
    const [first, ...others] = waiting.splice(0);
    // Only the first can be what it was closed for.
    if (first && ++first.tries < mostTries) send(first);
    else first?.reject(because);
    others.forEach(send);
  };
  const send = (one: Waiting) => {
    waiting.push(one);
    unsent.push(one.bytes);
    // What is asked in one turn goes out in one piece.
    if (unsent.length === 1) queueMicrotask(flush);
  };
  const flush = () => {
    socket ??= open();
    socket.write(Buffer.concat(unsent));
    unsent = [];
  };
  return {
    ask: (path, asked) =>
      new Promise((resolve, reject) => {
        const bytes = requestBytes(`${base}${path}`, host, asked);
        send({ method: asked.method ?? "GET", bytes, tries: 0, resolve, reject });
      }),
    close: () => socket?.destroy(),
  };
}

function requestBytes(target: string, host: string, { method = "GET", headers = {}, body }: Asked): Buffer {
  const content = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === "string" ? body : "");
  const lines = {
    Host: host,
    ...(body === undefined ? {} : { "Content-Type": "application/json", "Content-Length": String(content.length) }),
    ...headers,
  };
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`${method} ${target} HTTP/1.1\r\n${head.join("")}\r\n`), content]);
}

function failureOf(work: () => void): Error | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

type Read = PlainAnswer & { bytes: number };

/** The first answer in these bytes; undefined while it is not whole. Throws where it has no length [DDI 2.2]. */
function readAnswer(received: Buffer, { method, ended }: { method: string; ended: "ended" | "open" }): Read | undefined {
  const end = received.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = received.toString("latin1", 0, end);
  const [, digits] = /^HTTP\/1\.1 (\d{3}) /.exec(head) ?? [];
  if (digits === undefined) throw new Error(`no answer of HTTP: ${head.slice(0, 100)}`);
  const status = Number(digits);
  const start = end + 4;
  if (method === "HEAD" || status === 304 || status === 204) return { status, body: "", bytes: start };
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined) {
    if (!/\r\nconnection: *close/i.test(head)) throw new Error(`an answer without a length: ${head.slice(0, 200)}`);
    return ended === "ended" ? { status, body: received.toString("utf8", start), bytes: received.length } : undefined;
  }
  const bytes = start + Number(length);
  return received.length < bytes ? undefined : { status, body: received.toString("utf8", start, bytes), bytes };
}
