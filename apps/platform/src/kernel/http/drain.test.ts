import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { test } from "node:test";
import { createBus } from "../bus/bus.ts";
import { silentLog } from "../log.ts";
import { liveEvents } from "./events.ts";
import { createHttp, guarded } from "./http.ts";

async function served() {
  const app = await createHttp({
    log: silentLog,
    version: "0",
    answers: "validate",
    authenticate: async () => ({ actor: { kind: "system", id: "one", name: "one" }, role: "admin", scope: { fleet: "main" } }),
  });
  const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  app.get("/api/slow", guarded("anyone"), async () => {
    reached.resolve();
    await gate.promise;
    return "done";
  });
  // The slow one is answered when closing has begun.
  app.addHook("preClose", async () => gate.resolve());
  liveEvents(app, createBus({ now: () => 0 }));
  const url = await app.listen({ port: 0, host: "127.0.0.1" });
  const agent = new Agent({ keepAlive: true });
  return { app, agent, ask: (path: string) => get(url + path, { agent }), reached: reached.promise };
}

test("a request under way is answered before the server closes, and its connection is not kept for another", async () => {
  const { app, agent, ask, reached } = await served();
  const answered = once(ask("/api/slow"), "response");
  await reached;
  const closed = app.close();
  const [answer] = await answered;
  assert.deepEqual([answer.statusCode, answer.headers.connection], [200, "close"]);
  answer.resume();
  await closed;
  agent.destroy();
});

test("a reader of the live stream does not hold up the end", async () => {
  const { app, agent, ask } = await served();
  const [stream] = await once(ask("/api/v1/events"), "response");
  const ended = once(stream.resume(), "end");
  await app.close();
  await ended;
  agent.destroy();
});
