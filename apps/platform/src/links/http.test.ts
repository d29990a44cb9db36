import assert from "node:assert/strict";
import { Agent, request } from "node:https";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createDeviceHttp, silentLog } from "../kernel/index.ts";
import { type Credentials, type LinksWorld, linksWorld, type WorldOptions } from "./testing.ts";

type HttpWorld = LinksWorld & { https: number };
type Answer = { status: number; body: Record<string, unknown>; retryAfter?: string | undefined };

async function httpWorld(options: WorldOptions = {}): Promise<HttpWorld> {
  const world = await linksWorld(options);
  const app = createDeviceHttp({ tls: world.tls, log: silentLog });
  world.links.deviceRoutes(app);
  await app.listen({ port: 0, host: "127.0.0.1" });
  const close = async () => {
    await app.close();
    await world.links.close({ drainMs: 1_000 });
  };
  // A listening TCP server has such an address.
  return { ...world, https: (app.server.address() as AddressInfo).port, [Symbol.asyncDispose]: close };
}

type Ask = {
  headers?: Record<string, string>;
  method?: string;
  path: string;
  body?: string | Buffer;
  credentials?: Partial<Credentials>;
  agent?: Agent;
};

function ask(
  world: HttpWorld,
  { method = "POST", path, body = "{}", credentials = {}, headers = {}, agent }: Ask,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      host: "127.0.0.1",
      servername: "localhost",
      port: world.https,
      ca: world.trust,
      method,
      path,
      headers,
      ...credentials,
      ...(agent ? { agent } : { agent: new Agent() }),
    };
    const asking = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        resolve({
          status: response.statusCode ?? 0,
          body: text ? JSON.parse(text) : {},
          retryAfter: response.headers["retry-after"],
        });
      });
    });
    asking.on("error", reject);
    asking.end(method === "GET" ? undefined : body);
  });
}

test("[H2, H4, H5] a message over HTTPS is answered 200 when it is stored, whatever media type it claims", async () => {
  await using world = await httpWorld();
  const credentials = await world.device("pump-1");
  const paths = [
    "/v1/telemetry",
    "/v1/heartbeat",
    "/v1/events",
    "/v1/logs",
    "/v1/state",
    "/v1/deployments/dep_1",
    "/v1/commands/cmd_1/result",
  ];
  for (const path of paths)
    assert.deepEqual(await ask(world, { path, credentials }), { status: 200, body: { stored: true }, retryAfter: undefined }, path);
  assert.equal((await ask(world, { method: "PATCH", path: "/v1/state", credentials })).status, 200);
  assert.deepEqual(
    world.stored.map(({ device, channel, id, transport }) => [device, channel, id, transport].join(" ").trim()),
    [
      "pump-1 telemetry  https",
      "pump-1 heartbeat  https",
      "pump-1 events  https",
      "pump-1 logs  https",
      "pump-1 state  https",
      "pump-1 deployment dep_1 https",
      "pump-1 command cmd_1 https",
      "pump-1 state  https",
    ],
  );
});

test("[H3] what is meant for the device is there to be fetched, and 204 says that nothing is", async () => {
  await using world = await httpWorld();
  world.documents.set("pump-1/deployments/next", '{"is":"none"}');
  const credentials = await world.device("pump-1");
  assert.deepEqual((await ask(world, { method: "GET", path: "/v1/deployments/next", credentials })).body, { is: "none" });
  assert.equal((await ask(world, { method: "GET", path: "/v1/state", credentials })).status, 204);
});

test("[H1, H5] each failure has its status and its code", async () => {
  await using world = await httpWorld({
    receive: ({ payload }) => {
      const text = payload.toString();
      if (text === "rubbish") return { is: "refused", because: "telemetry_unreadable", detail: "No SenML." };
      return text === "later" ? { is: "unavailable", detail: "The disk is full." } : undefined;
    },
    limits: { maxPacketBytes: 1_000 },
  });
  const credentials = await world.device("pump-1");
  const path = "/v1/telemetry";
  const answers = {
    refused: await ask(world, { path, credentials, body: "rubbish" }),
    unavailable: await ask(world, { path, credentials, body: "later" }),
    tooLarge: await ask(world, { path, credentials, body: Buffer.alloc(1_001) }),
    noCertificate: await ask(world, { path }),
    stranger: await ask(world, { path, credentials: await world.stranger("pump-1") }),
    badId: await ask(world, { path: "/v1/deployments/a%20b", credentials }),
  };
  assert.deepEqual(
    Object.entries(answers).map(([name, { status, body }]) => [name, status, body.code]),
    [
      ["refused", 422, "telemetry_unreadable"],
      ["unavailable", 503, "intake_unavailable"],
      ["tooLarge", 413, "body_too_large"],
      ["noCertificate", 401, "device_certificate_required"],
      ["stranger", 403, "device_not_admitted"],
      ["badId", 404, "device_topic_unknown"],
    ],
  );
  assert.equal(answers.unavailable.retryAfter, "5");
  assert.match(String(answers.stranger.body.detail), /unknown_issuer/);
  assert.equal(world.stored.length, 0);
});

test("[H1] a suspended device's open HTTPS connection is closed, and its next request is refused", async () => {
  await using world = await httpWorld();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const credentials = await world.device("pump-1");
  const path = "/v1/heartbeat";
  assert.equal((await ask(world, { path, credentials, agent })).status, 200);
  world.bar("pump-1", "device_suspended");
  // The verdict of a moment ago still holds for this connection, unless the platform says otherwise.
  assert.equal((await ask(world, { path, credentials, agent })).status, 200);
  assert.equal(world.links.disconnect("pump-1", "device_suspended"), 1);
  const again = await ask(world, { path, credentials }).catch(() => undefined);
  assert.equal(again?.status, 403);
  agent.destroy();
});

test("[H1] a verdict is asked for anew when it has grown old, on the same connection", async () => {
  await using world = await httpWorld({ limits: { verdictMs: 1_000 } });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const credentials = await world.device("pump-1");
  const path = "/v1/heartbeat";
  assert.equal((await ask(world, { path, credentials, agent })).status, 200);
  world.bar("pump-1", "device_suspended");
  for (let i = 0; i < 8; i++) world.links.tick();
  assert.equal((await ask(world, { path, credentials, agent })).status, 403);
  agent.destroy();
});

test("[H6] a device that asks too often is told to wait", async () => {
  await using world = await httpWorld({ limits: { burst: 2, ratePerS: 0 } });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const credentials = await world.device("pump-1");
  const statuses = [];
  for (let i = 0; i < 3; i++) statuses.push((await ask(world, { path: "/v1/heartbeat", credentials, agent })).status);
  assert.deepEqual(statuses, [200, 200, 429]);
  agent.destroy();
});

test("[H8] headers count a message; half of a pair is refused", async () => {
  await using world = await httpWorld();
  const credentials = await world.device("pump-1");
  const path = "/v1/events";
  const counted = { "Tenfold-Seq": "9", "Tenfold-Boot": "b-1" };
  assert.equal((await ask(world, { path, credentials, headers: counted })).status, 200);
  assert.deepEqual(world.stored[0]?.sequence, { boot: "b-1", seq: 9 });
  const half = await ask(world, { path, credentials, headers: { "Tenfold-Seq": "9" } });
  assert.deepEqual([half.status, half.body.code], [422, "sequence_invalid"]);
});
