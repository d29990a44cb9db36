import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { WebSocket } from "ws";
import { createDeviceHttp, silentLog } from "../kernel/index.ts";
import { type Credentials, type LinksWorld, linksWorld } from "./testing.ts";

async function webSocketWorld(): Promise<LinksWorld & { wss: string }> {
  const world = await linksWorld();
  const app = createDeviceHttp({ tls: world.tls, log: silentLog });
  world.links.deviceRoutes(app);
  await app.listen({ port: 0, host: "127.0.0.1" });
  // A listening TCP server has such an address.
  const { port } = app.server.address() as AddressInfo;
  const close = async () => {
    await world.links.close({ drainMs: 1_000 });
    await app.close();
  };
  return { ...world, wss: `wss://localhost:${port}`, [Symbol.asyncDispose]: close };
}

// MQTT.js declares its events one by one; underneath it is a plain emitter.
const heard = (client: MqttClient, name: "connect" | "message" | "close"): Promise<unknown[]> =>
  once(client as unknown as NodeJS.EventEmitter, name);

const open = (world: { wss: string; trust: string }, credentials: Partial<Credentials>) => {
  // MQTT.js hands these on to ws, which hands them on to TLS.
  const wsOptions = { ca: world.trust, ...credentials } as IClientOptions["wsOptions"] & object;
  const client = mqtt.connect(`${world.wss}/mqtt`, { protocolVersion: 5, reconnectPeriod: 0, clientId: "", wsOptions });
  return client.on("error", () => {});
};

test("[M25] a device talks MQTT over WebSocket as it does over TLS: stored before acknowledged, sent what is current, told to leave", async () => {
  await using world = await webSocketWorld();
  world.documents.set("pump-1/deployments/next", '{"is":"none"}');
  const client = open(world, await world.device("pump-1"));
  await heard(client, "connect");
  await client.publishAsync("devices/pump-1/telemetry", JSON.stringify({ t: "x".repeat(100_000) }), { qos: 1 });
  assert.deepEqual(
    world.stored.map(({ device, channel, payload }) => [device, channel, payload.length]),
    [["pump-1", "telemetry", 100_008]],
  );
  const current = heard(client, "message");
  await client.subscribeAsync("devices/pump-1/#", { qos: 1 });
  assert.equal(String((await current)[0]), "devices/pump-1/deployments/next");
  const closed = heard(client, "close");
  assert.equal(world.links.disconnect("pump-1", "device_suspended"), 1);
  await closed;
  await client.endAsync(true);
});

test("[M3, M25] a certificate that is not admitted is refused there too", async () => {
  await using world = await webSocketWorld();
  for (const credentials of [await world.stranger("pump-1"), {}]) {
    const client = open(world, credentials);
    const refused = new Promise<unknown>((resolve) => client.once("error", resolve));
    assert.equal(((await refused) as { code?: number }).code, 0x87);
    await client.endAsync(true);
  }
});

test("[M25] another path, another subprotocol and a text are refused", async () => {
  await using world = await webSocketWorld();
  const options = { ca: world.trust, ...(await world.device("pump-1")) };
  for (const [path, protocol, status] of [
    ["/other", "mqtt", 404],
    ["/mqtt", "chat", 400],
  ] as const) {
    const socket = new WebSocket(world.wss + path, protocol, options);
    const [error] = (await once(socket, "error")) as [Error];
    assert.match(error.message, new RegExp(String(status)));
  }
  const socket = new WebSocket(`${world.wss}/mqtt`, "mqtt", options);
  await once(socket, "open");
  socket.send("hello");
  await once(socket, "close");
});
