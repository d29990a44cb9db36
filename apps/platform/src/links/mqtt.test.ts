import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { describe, test } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { defaultScope } from "@tenfold/base";
import mqtt, { type IClientOptions, type MqttClient, type Packet } from "mqtt";
import type { Admission } from "./index.ts";
import { type Credentials, fingerprintOf, type LinksWorld, linksWorld } from "./testing.ts";
import { Verdicts } from "./verdicts.ts";

/** The next event of this name, with its arguments. Unlike `once`, an `error` in between does not matter. */
async function heard(client: MqttClient, name: "connect" | "close" | "message"): Promise<unknown[]> {
  // MQTT.js declares its events one by one; underneath it is a plain emitter.
  const emitter = client as unknown as NodeJS.EventEmitter;
  return new Promise((resolve) => emitter.once(name, (...args: unknown[]) => resolve(args)));
}

/** A real client library over real TLS; it does not connect again by itself. */
async function open(world: LinksWorld, credentials: Partial<Credentials>, options: IClientOptions = {}): Promise<MqttClient> {
  const client = mqtt.connect({
    host: "127.0.0.1",
    servername: "localhost",
    protocol: "mqtts",
    port: world.port,
    ca: world.trust,
    ...credentials,
    protocolVersion: 5,
    reconnectPeriod: 0,
    connectTimeout: 5_000,
    clientId: "",
    ...options,
  });
  client.on("error", () => {});
  const connected = await Promise.race([heard(client, "connect").then(() => true), heard(client, "close").then(() => false)]);
  assert.ok(connected, "the endpoint refused the client");
  return client;
}

/** The code of the CONNACK that refuses, and whether the connection was closed after it. */
async function refusal(
  world: LinksWorld,
  credentials: Partial<Credentials>,
  options: IClientOptions = {},
): Promise<number | undefined> {
  const client = mqtt.connect({
    host: "127.0.0.1",
    servername: "localhost",
    protocol: "mqtts",
    port: world.port,
    ca: world.trust,
    ...credentials,
    protocolVersion: 5,
    reconnectPeriod: 0,
    clientId: "",
    ...options,
  });
  const codes: number[] = [];
  client.on("error", (error) => void ("code" in error && typeof error.code === "number" && codes.push(error.code)));
  await heard(client, "close");
  await client.endAsync(true);
  return codes[0];
}

const gone = (client: MqttClient) => heard(client, "close").then(() => client.endAsync(true));

for (const protocolVersion of [5, 4] as const) {
  const name = protocolVersion === 5 ? "MQTT 5" : "MQTT 3.1.1";
  describe(name, () => {
    test("[M12] a message at QoS 1 is acknowledged when it is stored, as the certificate's device", async () => {
      await using world = await linksWorld();
      const client = await open(world, await world.device("pump-1"), { protocolVersion });
      await client.publishAsync("devices/pump-1/telemetry", '{"temperature":21.5}', { qos: 1 });
      await client.publishAsync("devices/pump-1/deployments/dep_1", "{}", { qos: 1 });
      await client.publishAsync("devices/pump-1/commands/cmd_1/result", "{}", { qos: 1 });
      assert.deepEqual(
        world.stored.map(({ device, channel, id, payload, transport }) => [device, channel, id, payload.toString(), transport]),
        [
          ["pump-1", "telemetry", undefined, '{"temperature":21.5}', "mqtt"],
          ["pump-1", "deployment", "dep_1", "{}", "mqtt"],
          ["pump-1", "command", "cmd_1", "{}", "mqtt"],
        ],
      );
      assert.equal(world.links.connected("pump-1"), true);
      await client.endAsync();
    });

    test("[M13] a message that storage refuses is acknowledged, so that it does not come again, and the connection goes on", async () => {
      await using world = await linksWorld({
        receive: ({ payload }) =>
          payload.toString() === "rubbish" ? { is: "refused", because: "telemetry_unreadable", detail: "No SenML." } : undefined,
      });
      const client = await open(world, await world.device("pump-1"), { protocolVersion });
      const rubbish = client.publishAsync("devices/pump-1/telemetry", "rubbish", { qos: 1 });
      if (protocolVersion === 5) await assert.rejects(rubbish, { code: 0x99 });
      else await rubbish;
      await client.publishAsync("devices/pump-1/telemetry", "good", { qos: 1 });
      assert.deepEqual(
        world.stored.map(({ payload }) => payload.toString()),
        ["good"],
      );
      await client.endAsync();
    });

    test("[M14] a message that cannot be stored is not acknowledged, and the device sends it again on its next connection", async () => {
      const failures = [{ is: "unavailable", detail: "The disk is full." } as const];
      await using world = await linksWorld({ receive: () => failures.pop() });
      const client = await open(world, await world.device("pump-1"), { protocolVersion, reconnectPeriod: 10 });
      await client.publishAsync("devices/pump-1/telemetry", "kept", { qos: 1 });
      assert.deepEqual(
        world.stored.map(({ payload }) => payload.toString()),
        ["kept"],
      );
      assert.ok(world.logged.some(({ event, because }) => event === "link.closed" && because === "intake_unavailable"));
      await client.endAsync();
    });

    test("[M17] subscribing brings what is current; later documents follow while the device is connected", async () => {
      await using world = await linksWorld();
      world.documents.set("pump-1/deployments/next", '{"is":"none"}');
      const client = await open(world, await world.device("pump-1"), { protocolVersion });
      const first = heard(client, "message");
      await client.subscribeAsync("devices/pump-1/#", { qos: 1 });
      assert.deepEqual((await first).slice(0, 2).map(String), ["devices/pump-1/deployments/next", '{"is":"none"}']);
      const second = heard(client, "message");
      assert.equal(world.links.send("pump-1", { topic: "commands/cmd_1", payload: "reboot" }), true);
      assert.deepEqual((await second).slice(0, 2).map(String), ["devices/pump-1/commands/cmd_1", "reboot"]);
      await client.unsubscribeAsync("devices/pump-1/#");
      assert.equal(world.links.send("pump-1", { topic: "commands/cmd_2", payload: "reboot" }), false);
      await client.endAsync();
    });

    test("[M10] a topic of another device is refused: nothing is stored, and somebody hears of it", async () => {
      await using world = await linksWorld();
      const client = await open(world, await world.device("pump-1"), { protocolVersion });
      const stolen = client.publishAsync("devices/pump-2/telemetry", "{}", { qos: 1 });
      if (protocolVersion === 5) {
        await assert.rejects(stolen, { code: 0x87 });
        await assert.rejects(client.subscribeAsync("devices/pump-2/#"));
        await client.endAsync();
      } else {
        stolen.catch(() => {});
        await gone(client);
      }
      assert.deepEqual(world.stored, []);
      assert.ok(
        world.events.some(
          ({ type, subject, data }) => type === "device.input_refused" && subject === "pump-1" && data.because === "topic_foreign",
        ),
      );
    });

    test("[M20] a second connection of the same device ends the first", async () => {
      await using world = await linksWorld();
      const credentials = await world.device("pump-1");
      const [first, ended] = [await open(world, credentials, { protocolVersion }), Promise.withResolvers<Packet | undefined>()];
      first.on("disconnect", (packet) => ended.resolve(packet));
      first.on("close", () => ended.resolve(undefined));
      const second = await open(world, credentials, { protocolVersion });
      const farewell = await ended.promise;
      if (protocolVersion === 5) assert.equal(farewell && "reasonCode" in farewell && farewell.reasonCode, 0x8e);
      await second.publishAsync("devices/pump-1/heartbeat", "{}", { qos: 1 });
      assert.equal(world.links.count(), 1);
      await Promise.all([first.endAsync(true), second.endAsync()]);
    });

    test("[M4] only the device's own id, or none, is a client identifier", async () => {
      await using world = await linksWorld();
      const credentials = await world.device("pump-1");
      assert.equal(await refusal(world, credentials, { protocolVersion, clientId: "pump-2" }), protocolVersion === 5 ? 0x85 : 2);
      const client = await open(world, credentials, { protocolVersion, clientId: "pump-1" });
      await client.endAsync();
    });

    test("[M3] no certificate, a stranger's, and a barred device's are refused, each with a logged reason", async () => {
      await using world = await linksWorld();
      const refused = protocolVersion === 5 ? 0x87 : 5;
      const barred = await world.device("pump-2");
      world.bar("pump-2", "device_suspended");
      assert.equal(await refusal(world, {}, { protocolVersion }), refused);
      assert.equal(await refusal(world, await world.stranger("pump-1"), { protocolVersion }), refused);
      assert.equal(await refusal(world, barred, { protocolVersion }), refused);
      const reasons = world.logged.filter(({ event }) => event === "link.refused").map(({ because }) => because);
      assert.deepEqual(reasons, ["certificate_missing", "unknown_issuer", "device_suspended"]);
    });

    test("[M21] suspending a device closes its live connection at once", async () => {
      await using world = await linksWorld();
      const client = await open(world, await world.device("pump-1"), { protocolVersion });
      const closed = gone(client);
      world.bus.publish({ type: "device.lifecycle_changed", subject: "pump-1", data: { lifecycle: "suspended" } });
      assert.equal(world.links.connected("pump-1"), false);
      await closed;
      assert.ok(world.events.some(({ type, data }) => type === "device.disconnected" && data.because === "device_suspended"));
    });

    test("[M21] closing waits for what was taken, acknowledges it, and says good-bye", async () => {
      const [asked, storing] = [Promise.withResolvers<void>(), Promise.withResolvers<undefined>()];
      const world = await linksWorld({
        receive: () => {
          asked.resolve();
          return storing.promise;
        },
      });
      const client = await open(world, await world.device("pump-1"), { protocolVersion });
      const acknowledged = client.publishAsync("devices/pump-1/telemetry", "{}", { qos: 1 });
      await asked.promise;
      const closing = world.links.close({ drainMs: 5_000 });
      storing.resolve(undefined);
      await acknowledged;
      await Promise.all([closing, gone(client)]);
      assert.equal(world.stored.length, 1);
    });
  });
}

test("[M21] revoking one certificate closes the connections that use it, and no other", async () => {
  await using world = await linksWorld();
  const [old, fresh] = [await world.device("pump-1"), await world.device("pump-2")];
  const [first, other] = [await open(world, old), await open(world, fresh)];
  const revoke = (fingerprint: string) =>
    world.bus.publish({ type: "certificate.revoked", subject: "pump-1", data: { device: "pump-1", fingerprint } });
  revoke("00");
  assert.equal(world.links.connected("pump-1"), true);
  const closed = gone(first);
  revoke(fingerprintOf(new X509Certificate(old.cert)));
  await closed;
  assert.equal(world.links.connected("pump-2"), true);
  await other.endAsync();
});

test("[M3] a resumed TLS session is judged like a new one", async () => {
  await using world = await linksWorld();
  const credentials = await world.device("pump-1");
  const options = { host: "127.0.0.1", servername: "localhost", port: world.port, ca: world.trust, ...credentials };
  const first = connectTls(options);
  const tickets = Promise.withResolvers<Buffer>();
  first.on("session", (session: Buffer) => tickets.resolve(session));
  await answered(first);
  const session = await tickets.promise;
  first.destroy();
  world.bar("pump-1", "certificate_revoked");
  world.bus.publish({ type: "certificate.revoked", subject: "pump-1", data: {} });
  const resumed = connectTls({ ...options, session });
  const connack = await answered(resumed);
  assert.equal(resumed.isSessionReused(), true);
  assert.deepEqual([...connack.subarray(0, 1), connack[3]], [0x20, 0x87]);
  resumed.destroy();
});

test("[M3] a device that comes back is let in without a question, until anybody is barred", async () => {
  await using world = await linksWorld();
  const credentials = await world.device("pump-1");
  for (let i = 0; i < 3; i++) await (await open(world, credentials)).endAsync();
  assert.equal(world.asked(), 1);
  const client = await open(world, credentials);
  const closed = gone(client);
  world.bar("pump-1", "certificate_revoked");
  world.bus.publish({ type: "certificate.revoked", subject: "pump-1", data: {} });
  await closed;
  assert.equal(await refusal(world, credentials), 0x87);
  assert.equal(world.asked(), 2);
});

test("[M3] an answer that was on its way when somebody was barred is not remembered", async () => {
  const verdicts = new Verdicts({ rememberVerdictMs: 60_000, maxVerdicts: 2 });
  const answer = Promise.withResolvers<Admission>();
  const [judged, at] = [
    { certificate: "aa", validUntil: 1_000 },
    { tick: 0, now: 0 },
  ];
  const admitted: Admission = { is: "admit", device: "pump-1", scope: defaultScope, fingerprint: "aa" };
  const asking = verdicts.ask(
    judged,
    () => 0,
    () => answer.promise,
  );
  verdicts.forget();
  answer.resolve(admitted);
  assert.deepEqual([(await asking).is, verdicts.recall("aa", at)], ["admit", undefined]);
  for (const certificate of ["aa", "bb", "cc"])
    await verdicts.ask(
      { ...judged, certificate },
      () => 0,
      async () => admitted,
    );
  assert.equal(verdicts.size, 2);
  assert.deepEqual(verdicts.recall("cc", at), admitted);
  assert.equal(verdicts.recall("cc", { tick: 0, now: 1_000 }), undefined);
  assert.equal(verdicts.recall("bb", { tick: 241, now: 0 }), undefined);
});

test("[M3] a live connection whose certificate stops being good is closed, even if nobody said so", async () => {
  await using world = await linksWorld({ limits: { readmitMs: 500 } });
  const client = await open(world, await world.device("pump-1"));
  const closed = gone(client);
  world.bar("pump-1", "certificate_expired");
  for (let i = 0; i < 4; i++) world.links.tick();
  await closed;
});

test("[M19] the will of a device that breaks off is stored like a message; that of one that says good-bye is not", async () => {
  const [received, said] = [[] as string[], Promise.withResolvers<undefined>()];
  await using world = await linksWorld({
    receive: ({ channel, payload }) => {
      received.push(`${channel} ${payload}`);
      said.resolve(undefined);
      return undefined;
    },
  });
  const credentials = await world.device("pump-1");
  const will = (payload: string) => ({
    will: { topic: "devices/pump-1/events", payload: Buffer.from(payload), qos: 1 as const, retain: false },
  });
  await (await open(world, credentials, will("polite"))).endAsync();
  const abrupt = await open(world, credentials, will("abrupt"));
  abrupt.stream.destroy();
  await said.promise;
  assert.deepEqual(received, ["events abrupt"]);
  await abrupt.endAsync(true);
  const foreign = { will: { ...will("").will, topic: "devices/pump-2/events" } };
  assert.equal(await refusal(world, credentials, foreign), 0x87);
});

test("[M6, M7] CONNACK says what is not offered; asking for it all the same ends the connection with the standard's reason", async () => {
  await using world = await linksWorld();
  const credentials = await world.device("pump-1");
  for (const [first, reason] of [
    [0x34, 0x9b],
    [0x33, 0x9a],
  ]) {
    const raw = connectTls({ host: "127.0.0.1", servername: "localhost", port: world.port, ca: world.trust, ...credentials });
    const connack = (await answered(raw)).toString("hex");
    // Maximum QoS 1, Retain Available 0, Server Keep Alive 20 min, Assigned Client Identifier.
    for (const property of ["2401", "2500", "1304b0", `120006${Buffer.from("pump-1").toString("hex")}`])
      assert.ok(connack.includes(property), property);
    const topic = "devices/pump-1/events";
    raw.write(
      Buffer.concat([Buffer.from([first ?? 0, topic.length + 5, 0, topic.length]), Buffer.from(topic), Buffer.from([0, 1, 0])]),
    );
    const [farewell] = (await once(raw, "data")) as [Buffer];
    assert.deepEqual([farewell[0], farewell[2]], [0xe0, reason]);
    raw.destroy();
  }
});

/** Says CONNECT in version 5 and waits for CONNACK. */
async function answered(socket: TLSSocket): Promise<Buffer> {
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  socket.write(Buffer.from("100d00044d5154540502000000" + "0000", "hex"));
  const [connack] = (await once(socket, "data")) as [Buffer];
  return connack;
}
