import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { after, before, describe, test } from "node:test";
import { api, createClient, type LiveEvent, type Operation, permissions } from "@tenfold/contracts";
import pg from "pg";
import { readConfig } from "../src/config.ts";
import { silentLog } from "../src/kernel/index.ts";
import { type ThrowAwayDatabase, throwAwayDatabase } from "../src/kernel/testing.ts";
import { startPlatform } from "../src/platform.ts";
import { connect, type Device, enroll, publish } from "./fleet.ts";
import { dataFolder } from "./folder.ts";
import { anyPorts, startWorld, type World } from "./world.ts";

const operations: Operation[] = Object.values(api);

describe("the operator API of a platform on an external database", () => {
  let database: ThrowAwayDatabase;
  let world: World;
  let device: Device;

  before(async () => {
    database = await throwAwayDatabase();
    world = await startWorld({ TENFOLD_DATABASE_URL: database.url });
    const [first] = await enroll(world, ["meter-4711"]);
    assert.ok(first);
    device = first;
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await database?.[Symbol.asyncDispose]();
  });

  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(new URL(path, world.url), { headers, signal: AbortSignal.timeout(10_000) });

  test("it is alive, ready, and says what it stands on", async () => {
    const [alive, ready] = [await get("/livez"), await get("/readyz")];
    assert.deepEqual([alive.status, ready.status], [200, 200]);
    assert.equal(await ready.text(), "ok postgresql\nok telemetry store\nok journal\n");
    assert.equal((await world.client.call(api.getVersion, {})).engines.postgresql, "external");
  });

  test("the OpenAPI document is 3.1 and holds exactly the operations of the contracts", async () => {
    const document = (await (await get("/api/openapi.json")).json()) as OpenApi;
    assert.match(document.openapi, /^3\.1\./);
    const served = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { operationId }]) =>
        operationId === undefined ? [] : [`${operationId}: ${method.toUpperCase()} ${path}`],
      ),
    );
    const declared = operations.map(
      ({ name, method, path }) => `${name}: ${method} /api/v1${path.replace(/:([A-Za-z]+)/g, "{$1}")}`,
    );
    assert.ok(declared.length > 40);
    assert.deepEqual(served.toSorted(), declared.toSorted());
  });

  test("every operation but those for anyone needs a sign-in, and then its own permission", async () => {
    const { token } = await world.client.call(api.createServiceAccount, { body: { name: "watcher", role: "viewer" } });
    let refused = 0;
    for (const operation of operations) {
      const path = `/api/v1${operation.path.replace(/:[A-Za-z]+/g, "nothing")}`;
      const ask = (headers: Record<string, string>) =>
        fetch(new URL(path, world.url), { method: operation.method, headers, signal: AbortSignal.timeout(10_000) });
      const nobody = await ask({});
      if (operation.permission === "anyone") {
        assert.notEqual(nobody.status, 401, operation.name);
        continue;
      }
      assert.deepEqual([nobody.status, ((await nobody.json()) as { code: string }).code], [401, "not_signed_in"], operation.name);
      const viewer = await ask({ authorization: `Bearer ${token}` });
      const mayView = /^(devices|releases|rollouts|telemetry|alerts|kpis)\.read$/.test(operation.permission);
      assert.equal(viewer.status === 403, !mayView, `${operation.name} answered a viewer with ${viewer.status}`);
      refused += mayView ? 0 : 1;
    }
    assert.ok(refused > 20);
    assert.deepEqual(
      permissions.filter((wanted) => !operations.some(({ permission }) => permission === wanted)),
      [],
    );
  });

  test("a change that is asked for twice with one Idempotency-Key happens once, and leaves no secret behind", async () => {
    const group = { body: { name: "berlin", filter: "tag:site=berlin" } };
    const first = await world.client.call(api.createGroup, group, { idempotencyKey: "g-1" });
    assert.deepEqual(await world.client.call(api.createGroup, group, { idempotencyKey: "g-1" }), first);
    const code = { body: { serial: "meter-4712" } };
    await world.client.call(api.createEnrollmentCode, code, { idempotencyKey: "c-1" });
    await assert.rejects(world.client.call(api.createEnrollmentCode, code, { idempotencyKey: "c-1" }), {
      code: "idempotency_answer_secret",
    });
  });

  test("the metrics are Tenfold's, and name no device", async () => {
    const client = await connect(world, device);
    await publish(client, `devices/${device.id}/telemetry`, { temperature: 21 });
    await client.endAsync();
    const text = await (await get("/metrics")).text();
    for (const name of ["tenfold_links_messages_total", "tenfold_intake_messages_total", "tenfold_links_connections"])
      assert.match(text, new RegExp(`^${name}`, "m"));
    assert.doesNotMatch(text, /meter-4711/);
  });

  test("the live stream tells of a device's connection, and a reader that comes back gets what it missed", async () => {
    const listen = async (headers: Record<string, string> = {}) => {
      const ended = new AbortController();
      const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(10_000)]);
      const response = await fetch(new URL("/api/v1/events", world.url), {
        headers: { authorization: `Bearer ${world.token}`, ...headers },
        signal,
      });
      assert.equal(response.headers.get("content-type"), "text/event-stream");
      return { events: eventsOf(response), end: () => ended.abort() };
    };
    const live = await listen();
    const client = await connect(world, device);
    const connected = await next(live.events, (event) => event.type === "device.connected" && event.subject === device.id);
    live.end();
    await client.endAsync();
    const resumed = await listen({ "last-event-id": connected.sse });
    const missed = await next(resumed.events, (event) => event.type === "device.disconnected");
    assert.ok(missed.id > connected.id && missed.subject === device.id);
    resumed.end();
    // An id of another process, or of this one before it was started again, says nothing here: the reader is told to look again.
    const elsewhere = await fetch(new URL("/api/v1/events", world.url), {
      headers: { authorization: `Bearer ${world.token}`, "last-event-id": `000000000000.${connected.id}` },
      signal: AbortSignal.timeout(10_000),
    });
    const [first] =
      (await elsewhere.body
        ?.pipeThrough(new TextDecoderStream())
        .values()
        .next()
        .then(({ value }) => [value])) ?? [];
    assert.match(first ?? "", /^event: missed/);
    assert.equal((await get("/api/v1/events")).status, 401);
  });

  test("a database whose commits are not durable is refused before anything is written to it", async () => {
    await using other = await throwAwayDatabase();
    await using folder = await dataFolder();
    const client = new pg.Client({ connectionString: other.url, query_timeout: 10_000 });
    await client.connect();
    try {
      await client.query(`alter database ${client.database} set synchronous_commit = off`);
      const config = readConfig({ env: { ...anyPorts, TENFOLD_DATABASE_URL: other.url }, flags: { data: folder.path } });
      await assert.rejects(startPlatform({ config, log: silentLog, processMetrics: "omit" }), { code: "database_not_durable" });
      const { rows } = await client.query("select 1 from pg_namespace where nspname = 'kernel'");
      assert.deepEqual(rows, []);
    } finally {
      await client.end();
    }
  });

  test("a setting's port that somebody else holds is named, and nothing is left running", async () => {
    await using folder = await dataFolder();
    await using own = await throwAwayDatabase();
    const taken = await holdPort();
    // The last door: everything before it was started, and must be stopped again.
    const ports = { ...anyPorts, TENFOLD_MQTT_PORT: String(taken.port), TENFOLD_DATABASE_URL: own.url };
    const config = readConfig({ env: ports, flags: { data: folder.path } });
    try {
      await assert.rejects(
        startPlatform({ config, log: silentLog, processMetrics: "omit" }),
        ({ code, field, fix }: { code: string; field: string; fix: string }) =>
          code === "port_taken" && field === "mqtt.port" && fix.includes("TENFOLD_MQTT_PORT"),
      );
    } finally {
      await taken.release();
    }
    // The same folder and database can be used at once: no store, journal or loop holds on to them.
    const again = await startPlatform({
      config: { ...config, "mqtt.port": 0 },
      log: silentLog,
      processMetrics: "omit",
    });
    await again.stop();
    await again.stop();
    await assert.rejects(createClient({ baseUrl: again.endpoints.console ?? "" }).call(api.getVersion, {}), {
      code: "unreachable",
    });
  });
});

type OpenApi = { openapi: string; paths: Record<string, Record<string, { operationId?: string }>> };

type Told = LiveEvent & { /** The id by which a reader comes back. */ sse: string };

async function* eventsOf(response: Response): AsyncGenerator<Told> {
  let text = "";
  for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = (text + part).split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data !== undefined) yield { ...JSON.parse(data), sse: /^id: (.*)$/m.exec(block)?.[1] ?? "" };
    }
  }
}

/** Leaves the stream open, so that more can be asked of it. */
async function next(events: AsyncGenerator<Told>, isWanted: (event: LiveEvent) => boolean): Promise<Told> {
  for (;;) {
    const { value, done } = await events.next();
    if (done) throw new Error("The stream ended before the event came.");
    if (isWanted(value)) return value;
  }
}

async function holdPort(): Promise<{ port: number; release(): Promise<void> }> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("A TCP server has a port.");
  return { port: address.port, release: () => new Promise((resolve) => server.close(() => resolve())) };
}
