import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request } from "node:https";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { gzipSync, zstdCompressSync } from "node:zlib";
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

test("[H1, H6] requests that come together on a new connection are judged once, and spend of one pace", async () => {
  await using world = await httpWorld({ limits: { ratePerS: 1, burst: 5 } });
  const device = await world.device("pump-1");
  const socket = connectTls({ host: "127.0.0.1", port: world.https, servername: "localhost", ca: world.trust, ...device });
  const request = "GET /v1/deployments/next HTTP/1.1\r\nHost: localhost\r\n\r\n";
  socket.write(request.repeat(20));
  let received = "";
  // The connection of a device that is too fast is closed after the first answer that says so.
  for await (const part of socket) received += String(part);
  const statuses = (received.match(/HTTP\/1\.1 \d{3}/g) ?? []).map((line) => Number(line.slice(-3)));
  assert.deepEqual(statuses, [204, 204, 204, 204, 204, 429]);
  assert.equal(world.asked(), 1);
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

test("[H9] a body may be packed with gzip or zstd; a bomb, damaged bytes and other packings are refused", async () => {
  await using world = await httpWorld({ limits: { maxPacketBytes: 10_000 } });
  const credentials = await world.device("pump-1");
  const send = async (encoding: string, body: Buffer) =>
    await ask(world, { path: "/v1/telemetry", credentials, body, headers: { "Content-Encoding": encoding } });
  const text = JSON.stringify({ t: "x".repeat(5_000) });
  for (const [encoding, body] of [
    ["gzip", gzipSync(text)],
    ["zstd", zstdCompressSync(text)],
    ["identity", Buffer.from(text)],
  ] as const)
    assert.equal((await send(encoding, body)).status, 200, encoding);
  assert.deepEqual(
    world.stored.map(({ payload }) => payload.toString() === text),
    [true, true, true],
  );
  const bomb = Buffer.alloc(5_000_000);
  const refused = {
    gzipBomb: await send("gzip", gzipSync(bomb)),
    zstdBomb: await send("zstd", zstdCompressSync(bomb)),
    damaged: await send("gzip", gzipSync(text).subarray(0, 20)),
    notZstd: await send("zstd", Buffer.from(text)),
    other: await send("br", Buffer.from(text)),
  };
  assert.deepEqual(
    Object.entries(refused).map(([name, { status, body }]) => [name, status, body.code]),
    [
      ["gzipBomb", 413, "body_too_large"],
      ["zstdBomb", 413, "body_too_large"],
      ["damaged", 422, "content_encoding_invalid"],
      ["notZstd", 422, "content_encoding_invalid"],
      ["other", 415, "content_encoding_unsupported"],
    ],
  );
  assert.equal(world.stored.length, 3);
});

test("[H10] a batch is many messages in one request; a line that is refused keeps no other from being stored", async () => {
  await using world = await httpWorld({
    receive: ({ payload }) => (payload.toString() === "later" ? { is: "unavailable", detail: "The disk is full." } : undefined),
  });
  const credentials = await world.device("pump-1");
  const send = async (...lines: unknown[]) =>
    await ask(world, { path: "/v1/batch", credentials, body: lines.map((line) => JSON.stringify(line)).join("\n") });
  const answer = await send(
    { topic: "telemetry", payload: { t: 21.5 }, seq: 1, boot: "b" },
    { topic: "nowhere", payload: {} },
    { topic: "commands/cmd_1/result", base64: Buffer.from("raw").toString("base64") },
    { topic: "events", payload: {}, seq: 1 },
    { topic: "events" },
    { topic: "events", payload: {}, surplus: 1 },
    "no object",
  );
  assert.equal(answer.status, 200);
  assert.equal(answer.body.stored, 2);
  assert.deepEqual(
    (answer.body.refused as { line: number; code: string }[]).map(({ line, code }) => [line, code]),
    [
      [2, "device_topic_unknown"],
      [4, "sequence_invalid"],
      [5, "batch_line_invalid"],
      [6, "batch_line_invalid"],
      [7, "batch_line_invalid"],
    ],
  );
  assert.deepEqual(
    world.stored.map(({ channel, id, sequence, payload }) => [channel, id, sequence?.seq, payload.toString()]),
    [
      ["telemetry", undefined, 1, '{"t":21.5}'],
      ["command", "cmd_1", undefined, "raw"],
    ],
  );
  assert.equal((await send({ topic: "events", base64: Buffer.from("later").toString("base64") })).status, 503);
  const many = await send(...Array.from({ length: 1_001 }, () => ({ topic: "events", payload: {} })));
  assert.deepEqual([many.status, many.body.code], [413, "batch_too_long"]);
  const deep = await ask(world, {
    path: "/v1/batch",
    credentials,
    body: `{"topic":"events","payload":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
  });
  assert.deepEqual([deep.status, (deep.body.refused as { code: string }[]).map(({ code }) => code)], [200, ["batch_line_invalid"]]);
});

test("[H1] of a connection that is not admitted no body is read", async () => {
  await using world = await httpWorld();
  const socket = connectTls({ host: "127.0.0.1", port: world.https, ca: world.trust, servername: "localhost" });
  socket.on("error", () => {});
  await once(socket, "secureConnect");
  socket.write("POST /v1/telemetry HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n");
  const [answer] = await once(socket, "data");
  assert.match(String(answer), /^HTTP\/1\.1 401 /);
  await once(socket.resume(), "close");
});
