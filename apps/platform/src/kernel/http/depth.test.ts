import assert from "node:assert/strict";
import { test } from "node:test";
import { operation } from "@tenfold/contracts";
import { z } from "zod";
import { silentLog } from "../log.ts";
import { createHttp, serve } from "./http.ts";

const noteDown = operation({
  name: "noteDown",
  method: "POST",
  path: "/notes",
  summary: "Takes any document.",
  permission: "anyone",
  body: z.strictObject({ note: z.json() }),
  response: z.object({ taken: z.boolean() }),
});

test("a body that is nested too deep is refused before anything walks through it, and the next one is served", async () => {
  const http = await createHttp({ log: silentLog, authenticate: async () => undefined, version: "1", answers: "validate" });
  serve(http, noteDown, async () => ({ taken: true }));
  const post = (payload: string) =>
    http.inject({ method: "POST", url: "/api/v1/notes", headers: { "content-type": "application/json" }, payload });
  for (const depth of [33, 5_000, 200_000]) {
    const answer = await post(`{"note":${"[".repeat(depth)}${"]".repeat(depth)}}`);
    assert.deepEqual([answer.statusCode, answer.json().code], [400, "body_unreadable"], `${depth} levels`);
  }
  assert.equal((await post(`{"note":${"[".repeat(20)}${"]".repeat(20)}}`)).statusCode, 200);
  await http.close();
});
