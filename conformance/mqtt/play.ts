import { duplexPair } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import type { Links } from "../../apps/platform/src/links/index.ts";
import { type Reply, splitReplies } from "./replies.ts";
import type { Sequence } from "./sequences.ts";

/** What came back, without the answer to the default CONNECT, and how the connection stood in the end. */
export type Played = { replies: Reply[]; ended: "open" | "closed" | "closed_after_wait" | "mute" };

type Topic = Parameters<Links["send"]>[1]["topic"];

const device = "p";
/** Turns of the event loop without a byte after which nothing more is taken to come: nothing here waits for anything slower. */
const quietTurns = 8;
/** Ticks until every deadline of a silent connection has passed, its keep-alive of 10 s included. */
const patience = 80;

/** Plays one sequence against the endpoint, over a stream in memory, as the admitted device `p`. */
export async function play(links: Links, sequence: Sequence): Promise<Played> {
  await using client = openClient(links);
  if (sequence.connects) await client.say(connectAs[sequence.version]);
  const greeted = client.replies().length;
  for (const step of sequence.steps) {
    if (step.is === "send") client.write(step.bytes);
    // The recorded topics are those of a general broker; the runner's topic rule takes any.
    else if (step.is === "publish_from_elsewhere") links.send(device, { topic: step.topic as Topic, payload: step.payload });
    else await client.quiet();
  }
  await client.quiet();
  const replies = client.replies().slice(greeted);
  return { replies, ended: await howItStands(client, links) };
}

type Client = ReturnType<typeof openClient>;

async function howItStands(client: Client, links: Links): Promise<Played["ended"]> {
  if (client.closed()) return "closed";
  const before = client.replies().length;
  await client.say(pingreq);
  if (
    client
      .replies()
      .slice(before)
      .some(({ type }) => type === pingresp)
  )
    return "open";
  if (client.closed()) return "closed";
  for (let waited = 0; waited < patience && !client.closed(); waited++) {
    links.tick();
    await turn();
  }
  await client.quiet();
  return client.closed() ? "closed_after_wait" : "mute";
}

function openClient(links: Links) {
  const [client, server] = duplexPair();
  const arrived: Buffer[] = [];
  let closed = false;
  client.on("data", (chunk: Buffer) => arrived.push(chunk));
  client.on("end", () => {
    closed = true;
  });
  client.on("error", () => {});
  links.acceptStream(server, { device, scope: { fleet: "main" }, fingerprint: "00" });
  const write = (bytes: Buffer): void => {
    if (!closed) client.write(bytes);
  };
  const quiet = async () => {
    for (let [still, before] = [0, arrived.length]; still < quietTurns; still = before === arrived.length ? still + 1 : 0) {
      before = arrived.length;
      await turn();
    }
  };
  return {
    write,
    quiet,
    closed: () => closed,
    replies: () => splitReplies(Buffer.concat(arrived)).replies,
    async say(bytes: Buffer) {
      write(bytes);
      await quiet();
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      server.destroy();
      await turn();
    },
  };
}

const [pingreq, pingresp] = [Buffer.from([0xc0, 0]), 13];

const connectAs: Record<Sequence["version"], Buffer> = {
  3: Buffer.from("100f00064d51497364700302000a000170", "hex"),
  4: Buffer.from("100d00044d5154540402000a000170", "hex"),
  5: Buffer.from("100e00044d5154540502000a00000170", "hex"),
};
