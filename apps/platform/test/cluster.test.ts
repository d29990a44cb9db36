import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { type ApiClient, api, type LiveEvent } from "@tenfold/contracts";
import { findNatsServer } from "@tenfold/testkit";
import type { MqttClient } from "mqtt";
import { closedAfter, connect, type Device, enroll, eventually, publish } from "./fleet.ts";
import { type Cluster, type Member, startCluster } from "./members.ts";

type Layout = { bus: "nats" | "postgresql"; doors: string; rest: readonly string[] };

/** Two ways to lay it out: every role a process of its own, and whole servers side by side. */
const layouts: Record<string, Layout> = {
  "roles apart, over NATS": { bus: "nats", doors: "links", rest: ["intake", "intake", "loops"] },
  "whole servers on one database, without NATS": { bus: "postgresql", doors: "api,links,intake,loops", rest: [] },
};

for (const [name, { bus, doors, rest }] of Object.entries(layouts)) {
  const skip =
    bus === "nats" && findNatsServer() === undefined ? "no nats-server here: install the Debian package nats-server" : false;
  describe(name, { skip, timeout: 120_000 }, () => {
    let cluster: Cluster;
    let front: Member;
    let first: Member;
    let second: Member;
    let client: ApiClient;
    let devices: Device[];

    before(async () => {
      cluster = await startCluster({ bus });
      front = await cluster.join("api");
      [first, second] = [
        await cluster.join(doors, { TENFOLD_AUTHORITY: "ask" }),
        await cluster.join(doors, { TENFOLD_AUTHORITY: "ask" }),
      ];
      for (const roles of rest) await cluster.join(roles);
      client = await cluster.clientOf(front);
      devices = await enroll({ ...first.doors, client }, ["pump-1", "pump-2", "pump-3", "pump-4"]);
    });
    after(() => cluster?.[Symbol.asyncDispose]());

    const device = (n: number): Device => {
      const found = devices[n];
      assert.ok(found);
      return found;
    };

    test("a device that enrolled at one server is let in by another, and no server of devices holds the authority's key", async () => {
      const link = await connect(second.doors, device(0));
      await link.endAsync();
      assert.equal(existsSync(join(front.dataDir, "pki", "issuing.key")), true);
      for (const { dataDir } of [first, second]) assert.equal(existsSync(join(dataDir, "pki", "issuing.key")), false);
    });

    test("what is acknowledged anywhere can be queried at the API, each number once, though the device sent some of it twice at two servers", async () => {
      const numbered = (seq: number) => ({ n: seq, seq, bootId: "boot-1", ts: Date.now() - 60_000 + seq });
      const at = async (member: Member, from: number, to: number) => {
        const link = await connect(member.doors, device(1));
        for (let seq = from; seq < to; seq++)
          await link.publishAsync(`devices/${device(1).id}/telemetry`, JSON.stringify({ n: seq, ts: numbered(seq).ts }), {
            qos: 1,
            properties: { userProperties: { seq: String(seq), boot: "boot-1" } },
          });
        await link.endAsync();
      };
      await at(first, 0, 60);
      await at(second, 40, 100);
      const stored = await eventually(
        "100 points",
        () =>
          client.call(api.getDeviceTelemetry, {
            params: { id: device(1).id },
            query: {
              metric: "n",
              from: new Date(Date.now() - 3_600_000).toISOString(),
              to: new Date().toISOString(),
              points: 1_000,
            },
          }),
        ({ points }) => points.length >= 100,
      );
      assert.deepEqual(
        stored.points.map(({ v }) => v),
        Array.from({ length: 100 }, (_, i) => i),
      );
    });

    test("revoking at the API closes the connection at whichever server holds it within a second, and no server resumes its TLS session", async () => {
      const link = await connect(first.doors, device(2));
      const tickets = await Promise.all([first, second].map((member) => ticketOf(member, device(2))));
      await new Promise((resolve) => setTimeout(resolve, 300));
      const again = link.connected ? link : await connect(first.doors, device(2));
      const closed = closedAfter(again);
      await client.call(api.quarantineDevice, { params: { id: device(2).id }, body: { reason: "test" } });
      assert.ok((await closed) < 1_000, `closed after ${await closed} ms`);
      for (const [i, member] of [first, second].entries()) {
        const connack = await answered(member, device(2), tickets[i]);
        assert.deepEqual([connack[0], connack[3]], [0x20, 0x87], "not authorized");
      }
    });

    test("a device that comes in at another server loses its older connection, and a command finds the newer one", async () => {
      const old = await connect(first.doors, device(3));
      const closed = closedAfter(old);
      const link = await connect(second.doors, device(3));
      await closed;
      const heard = nextMessage(link, `devices/${device(3).id}/commands/+`);
      await heard.ready;
      const { items } = await client.call(api.giveCommand, {
        body: { device: device(3).id, name: "open", args: {}, deadline: "PT5M", reason: "test" },
      });
      assert.equal(JSON.parse(await heard.message).command, items[0]?.id);
      await eventually(
        "delivered",
        () => client.call(api.getCommand, { params: { id: items[0]?.id ?? "" } }),
        ({ state }) => state === "delivered",
      );
      assert.ok(link.connected);
      await link.endAsync();
    });

    test("the live stream of the API tells what happens at another server", async () => {
      const watching = new AbortController();
      const events: LiveEvent[] = [];
      const stream = watch(client, { events, signal: watching.signal });
      await stream.open;
      const link = await connect(first.doors, device(0));
      await publish(link, `devices/${device(0).id}/telemetry`, { temperature: 21 });
      await eventually(
        "connected and stored",
        async () => events,
        (all) =>
          ["device.connected", "telemetry.stored"].every((type) =>
            all.some((event) => event.type === type && event.subject === device(0).id),
          ),
      );
      await link.endAsync();
      watching.abort();
    });
  });
}

/** What a device hears next on this topic; `ready` when it listens. */
function nextMessage(link: MqttClient, topic: string): { ready: Promise<unknown>; message: Promise<string> } {
  const message = new Promise<string>((resolve) => link.once("message", (_topic, payload) => resolve(payload.toString())));
  return { ready: link.subscribeAsync(topic, { qos: 1 }), message };
}

const tlsTo = ({ doors }: Member, { cert, key }: Device) => ({
  host: "localhost",
  servername: "localhost",
  port: doors.mqttPort,
  ca: doors.ca,
  cert,
  key,
});

const connectPacket = Buffer.from("101100044d5154540502003c00000004706f6e67", "hex");

/** A ticket with which the device could resume its TLS session there. */
async function ticketOf(member: Member, device: Device): Promise<Buffer> {
  const socket = connectTls(tlsTo(member, device));
  socket.on("error", () => {});
  const ticket = await new Promise<Buffer>((resolve) => socket.once("session", resolve));
  socket.destroy();
  return ticket;
}

async function answered(member: Member, device: Device, session: Buffer | undefined): Promise<Buffer> {
  const socket: TLSSocket = connectTls({ ...tlsTo(member, device), ...(session ? { session } : {}) });
  socket.on("error", () => {});
  socket.write(connectClean(device.id));
  const first = await new Promise<Buffer>((resolve, reject) => {
    socket.once("data", resolve);
    socket.once("close", () => reject(new Error("closed without an answer")));
  });
  socket.destroy();
  return first;
}

/** An MQTT 5 CONNECT with this client id. */
function connectClean(id: string): Buffer {
  const name = Buffer.from(id);
  const body = Buffer.concat([connectPacket.subarray(2, 8), Buffer.from([5, 2, 0, 60, 0, 0, name.length]), name]);
  return Buffer.concat([Buffer.from([0x10, body.length]), body]);
}

/** Reads the live stream into `events` until the signal ends it; `open` resolves when it began. */
function watch(client: ApiClient, { events, signal }: { events: LiveEvent[]; signal: AbortSignal }): { open: Promise<void> } {
  const open = Promise.withResolvers<void>();
  const read = async () => {
    const response = await client.raw("GET", "/api/v1/events", { headers: { accept: "text/event-stream" }, signal });
    open.resolve();
    let rest = "";
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const frames = (rest + chunk).split("\n\n");
      rest = frames.pop() ?? "";
      for (const frame of frames) {
        const data = /^data: (.*)$/m.exec(frame)?.[1];
        if (data !== undefined && data !== "{}") events.push(JSON.parse(data));
      }
    }
  };
  read().catch(() => {});
  return { open: open.promise };
}
