import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createClient } from "@tenfold/contracts";
import { type Interruption, liveEvents } from "./live.ts";

/** A server whose stream tells one event a connection and breaks off, `breaks` times; then it stays open. */
async function breakingServer(breaks: number) {
  const lastIds: (string | undefined)[] = [];
  const open = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    const id = lastIds.length + 1;
    lastIds.push(request.headers["last-event-id"]?.toString());
    if (request.headers.authorization !== "Bearer good") return void response.writeHead(401).end("{}");
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`id: n.${id}\nevent: told\ndata: {"type":"told","subject":"pump-${id}"}\n\n`);
    if (id <= breaks) setTimeout(() => response.destroy(), 20);
    else open.add(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    lastIds,
    async [Symbol.asyncDispose]() {
      for (const response of open) response.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("watching goes on behind the last event when the connection breaks, and says so", { timeout: 20_000 }, async () => {
  await using server = await breakingServer(2);
  const ended = new AbortController();
  const told: Interruption[] = [];
  const subjects: string[] = [];
  const client = createClient({ baseUrl: server.url, token: "good" });
  await assert.rejects(
    async () => {
      for await (const { subject } of liveEvents(client, ended.signal, (what) => told.push(what))) {
        subjects.push(subject);
        if (subjects.length === 3) ended.abort();
      }
    },
    { name: "AbortError" },
  );
  assert.deepEqual(subjects, ["pump-1", "pump-2", "pump-3"]);
  assert.deepEqual(server.lastIds, [undefined, "n.1", "n.2"]);
  assert.deepEqual(told, ["lost", "back", "lost", "back"]);
});

test("a server that refuses, or that was never there, is an error at once", async () => {
  await using server = await breakingServer(0);
  const { signal } = new AbortController();
  await assert.rejects(liveEvents(createClient({ baseUrl: server.url, token: "bad" }), signal).next(), { status: 401 });
  await assert.rejects(liveEvents(createClient({ baseUrl: "http://127.0.0.1:9", token: "good" }), signal).next(), {
    code: "unreachable",
  });
});
