import assert from "node:assert/strict";
import { test } from "node:test";
import { drill } from "./rotation-drill.ts";

test("drill: a root is rotated under a connected fleet; none is dropped or stranded, neither who slept nor whose clock is wrong", async () => {
  const figures = await drill(
    { devices: 30, asleep: 0.1, wrongClocks: 0.2, sleepMs: 4_000, withinS: 1, patienceMs: 60_000 },
    () => {},
  );
  assert.deepEqual([figures.sessionsDropped, figures.stranded, figures.backUnderNewRoot], [0, 0, 30]);
  assert.ok(figures.mostReconnects <= 2, "one for the new certificate, one after its sleep");
});
