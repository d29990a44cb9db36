import assert from "node:assert/strict";
import { test } from "node:test";
import { defineProblems, hours, minutes } from "@tenfold/base";
import { operation } from "@tenfold/contracts";
import { z } from "zod";
import { silentLog } from "../log.ts";
import { testDatabase } from "../testing.ts";
import { createHttp, serve } from "./http.ts";

const problems = defineProblems({ valve_stuck: 409, valve_gone: 503 });
const valve = z.object({ name: z.string(), turns: z.int() });
const body = z.strictObject({ name: z.string(), by: z.int().default(1) });
const turnValve = operation({
  name: "turnValve",
  method: "POST",
  path: "/valves",
  summary: "Turns a valve.",
  permission: "devices.write",
  body,
  response: valve,
  status: 201,
});
const makeValve = operation({ ...turnValve, name: "makeValve", path: "/valve-keys", answer: "shown_once" });
const readValve = operation({
  name: "readValve",
  method: "GET",
  path: "/valves/:name",
  summary: "One valve.",
  permission: "devices.read",
  params: z.object({ name: z.string() }),
  response: valve,
});

/** A server that turns valves; `w.act` is what a turn does before it turns. */
async function valves() {
  const database = await testDatabase();
  const world = { now: Date.now(), turns: 0, act: async () => {} };
  const app = await createHttp({
    log: silentLog,
    version: "0",
    answers: "validate",
    authenticate: async ({ headers }) => ({
      actor: { kind: "person", id: String(headers.authorization ?? "per_1"), name: "Olga" },
      role: "admin",
      scope: { fleet: "main" },
    }),
    remember: { db: database.db, clock: { now: () => world.now } },
  });
  const turn = async ({ body: { name, by } }: { body: { name: string; by: number } }) => {
    await world.act();
    world.turns += by;
    return { name, turns: world.turns };
  };
  serve(app, turnValve, turn);
  serve(app, makeValve, turn);
  serve(app, readValve, async ({ params }) => ({ name: params.name, turns: world.turns }));
  return Object.assign(world, {
    app,
    async post(key: string, payload: { name: string; by?: number }, { path = "/valves", actor = "per_1" } = {}) {
      const headers = { "idempotency-key": key, authorization: actor };
      const answer = await app.inject({ method: "POST", url: `/api/v1${path}`, headers, payload });
      return { status: answer.statusCode, body: answer.json(), headers: answer.headers };
    },
    /** The next turn stops in the middle, until `go` is called. */
    hold() {
      const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      world.act = () => {
        world.act = async () => {};
        reached.resolve();
        return gate.promise;
      };
      return { reached: reached.promise, go: gate.resolve };
    },
    async [Symbol.asyncDispose]() {
      await app.close();
      await database[Symbol.asyncDispose]();
    },
  });
}

test("a request that comes again with its key is answered as the first was, and does nothing", async () => {
  await using w = await valves();
  const first = await w.post("k-1", { name: "a" });
  const again = await w.post("k-1", { by: 1, name: "a" });
  assert.deepEqual([again.status, again.body], [first.status, first.body]);
  assert.deepEqual([first.headers["idempotency-replayed"], again.headers["idempotency-replayed"]], [undefined, "true"]);
  assert.equal(
    (await w.post("k-1", { name: "a" }, { actor: "per_2" })).body.turns,
    first.body.turns + 1,
    "keys belong to their actor",
  );
});

test("a key that was used for another request is refused", async () => {
  await using w = await valves();
  await w.post("k-2", { name: "a" });
  const other = await w.post("k-2", { name: "b" });
  assert.deepEqual([other.status, other.body.code], [409, "idempotency_key_reused"]);
  assert.equal((await w.post("k-2", { name: "a" }, { path: "/valve-keys" })).body.code, "idempotency_key_reused");
});

test("of two at the same time one acts; the other is told to ask again, and then gets the answer", async () => {
  await using w = await valves();
  const { reached, go } = w.hold();
  const first = w.post("k-3", { name: "a" });
  await reached;
  const second = await w.post("k-3", { name: "a" });
  assert.deepEqual([second.status, second.body.code, second.headers["retry-after"]], [409, "idempotency_request_running", "1"]);
  go();
  assert.deepEqual((await w.post("k-3", { name: "a" })).body, (await first).body);
});

test("a refusal is kept like any answer; a failure of ours gives the key back", async () => {
  await using w = await valves();
  w.act = () => Promise.reject(problems.valve_stuck("It does not move."));
  assert.equal((await w.post("k-4", { name: "a" })).status, 409);
  w.act = () => Promise.reject(problems.valve_gone("It is not there now."));
  assert.equal((await w.post("k-5", { name: "a" })).status, 503);
  w.act = async () => {};
  const again = await w.post("k-4", { name: "a" });
  assert.deepEqual([again.body.code, again.headers["content-type"]], ["valve_stuck", "application/problem+json; charset=utf-8"]);
  assert.equal((await w.post("k-5", { name: "a" })).status, 201);
});

test("an answer that holds a secret is kept nowhere, and said to be gone", async () => {
  await using w = await valves();
  assert.equal((await w.post("k-6", { name: "the-secret" }, { path: "/valve-keys" })).status, 201);
  const again = await w.post("k-6", { name: "the-secret" }, { path: "/valve-keys" });
  assert.deepEqual([again.status, again.body.code], [409, "idempotency_answer_secret"]);
});

test("a key is free again after a day, and for the same request after its server died", async () => {
  await using w = await valves();
  const first = await w.post("k-7", { name: "a" });
  w.now += hours(24) + 1;
  assert.equal((await w.post("k-7", { name: "a" })).body.turns, first.body.turns + 1);
  const { reached, go } = w.hold();
  // Not answered in time, as in a server that was killed.
  const lost = w.post("k-8", { name: "a" });
  await reached;
  w.now += minutes(2) + 1;
  assert.equal((await w.post("k-8", { name: "b" })).body.code, "idempotency_key_reused");
  assert.equal((await w.post("k-8", { name: "a" })).status, 201);
  go();
  await lost;
});

test("a key that no header should hold is refused, before anything is done", async () => {
  await using w = await valves();
  const before = w.turns;
  const answer = await w.post("x".repeat(201), { name: "a" });
  assert.deepEqual([answer.status, answer.body.field, w.turns], [422, "headers.idempotency-key", before]);
});

test("a reader that has the bytes gets 304; an edit bound to a version is refused rather than done unbound", async () => {
  await using w = await valves();
  const get = (headers: Record<string, string>) => w.app.inject({ method: "GET", url: "/api/v1/valves/a", headers });
  const first = await get({});
  const etag = String(first.headers.etag);
  assert.match(etag, /^"[\w-]{22}"$/);
  const cached = await get({ "if-none-match": `"other", W/${etag}` });
  assert.deepEqual([cached.statusCode, cached.body, cached.headers.etag], [304, "", etag]);
  assert.equal((await get({ "if-none-match": '"other"' })).statusCode, 200);
  const bound = await w.app.inject({
    method: "POST",
    url: "/api/v1/valves",
    headers: { "if-match": etag },
    payload: { name: "a" },
  });
  assert.deepEqual([bound.statusCode, bound.json().code], [412, "precondition_unsupported"]);
});
