import assert from "node:assert/strict";
import { test } from "node:test";
import { days, defaultScope } from "@tenfold/base";
import { logStart, type SealedEntry, verifyLog } from "@tenfold/pki";
import { sql } from "kysely";
import { readSealedLog, sealLog } from "./sealed-log.shell.ts";
import { prune } from "./store.ts";
import { asClient, csrFor, enrolled, enrollmentWorld, newKey, operator, trustedFactory, type World } from "./testing.ts";

async function busyWorld() {
  const w = await enrollmentWorld();
  const { device } = await trustedFactory(w);
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
  await enrolled(w, "simpleenroll", { serial: "pump-1", client: asClient(await device("pump-1")) });
  await w.post("simpleenroll", await csrFor("pump-2", newKey()));
  await w.post("simpleenroll", "not a request");
  return w;
}

const readAll = (w: World) => readSealedLog(w.db, defaultScope, { after: 0, limit: 1_000 });

test("every attempt is sealed once, in a chain that whoever has the export can check", async () => {
  await using w = await busyWorld();
  assert.deepEqual([await sealLog(w.db), await sealLog(w.db)], [3, 0]);
  await w.post("simpleenroll", await csrFor("pump-3", newKey()), { user: "pump-3", password: "guess" });
  assert.deepEqual(await Promise.all([sealLog(w.db), sealLog(w.db)]).then((counts) => counts.sort()), [0, 1]);
  const log = await readAll(w);
  const verdict = verifyLog(log);
  assert.ok(verdict.is === "whole");
  assert.deepEqual([verdict.entries, verdict.forgotten, verdict.head.hash], [4, 0, log.at(-1)?.hash]);
  assert.deepEqual(log.map(({ entry }) => entry?.because).sort(), [
    "code_unknown",
    "enrolled",
    "not_authenticated",
    "request_malformed",
  ]);
  assert.deepEqual(verifyLog([]), { is: "whole", head: logStart, entries: 0, forgotten: 0 });
});

test("an entry that is changed in the database, removed from the export, or put elsewhere breaks the chain at its number", async () => {
  await using w = await busyWorld();
  await sealLog(w.db);
  const log = await readAll(w);
  const [first, second, third] = log as [SealedEntry, SealedEntry, SealedEntry];
  assert.deepEqual(verifyLog([first, third]), { is: "broken", at: 2, because: "missing" });
  assert.deepEqual(verifyLog([second, first, third]), { is: "broken", at: 1, because: "missing" });
  assert.deepEqual(verifyLog([first, { ...second, hash: first.hash }]), { is: "broken", at: 2, because: "chain" });
  await sql`update enrollment.attempt set verdict = 'issued' where because = 'not_authenticated'`.execute(w.db);
  const verdict = verifyLog(await readAll(w));
  assert.ok(verdict.is === "broken" && verdict.because === "changed");
});

test("refusals that are forgotten after their time leave their hashes, and a repeated one may go on counting", async () => {
  await using w = await busyWorld();
  await sealLog(w.db);
  const head = verifyLog(await readAll(w));
  await sql`update enrollment.attempt set count = count + 5`.execute(w.db);
  assert.deepEqual(verifyLog(await readAll(w)), head);
  await prune(w.db, { now: w.clock.now() + days(91), keepMs: days(90), pendingMs: days(7) });
  const later = verifyLog(await readAll(w));
  assert.ok(later.is === "whole" && head.is === "whole");
  assert.deepEqual([later.forgotten, later.head], [2, head.head]);
});
