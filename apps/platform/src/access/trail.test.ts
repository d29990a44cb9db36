import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultScope } from "@tenfold/base";
import { sql } from "kysely";
import { silentLog } from "../kernel/log.ts";
import { testDatabase } from "../kernel/testing.ts";
import { type Access, createAccess, systemActor } from "./index.ts";
import { listTrail } from "./trail.shell.ts";

async function world() {
  const database = await testDatabase();
  const access = createAccess({ db: database.db, clock: { now: () => Date.UTC(2026, 10, 22) }, log: silentLog });
  return { db: database.db, access, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}

const note = (access: Access, n: number, detail: Record<string, unknown> = {}) =>
  access.deps.db.transaction().execute((tx) =>
    access.audit(tx, defaultScope, {
      actor: systemActor,
      action: "device.noted",
      subject: { kind: "device", id: `device-${n}` },
      detail,
    }),
  );

test("fifty transactions at once leave one whole chain", async () => {
  await using here = await world();
  await Promise.all(Array.from({ length: 50 }, (_, n) => note(here.access, n)));
  const verdict = await here.access.verifyAudit();
  assert.deepEqual([verdict.entries, verdict.intact], [50, true]);
});

test("a change that is taken back takes its entry back too", async () => {
  await using here = await world();
  await note(here.access, 1);
  const failing = here.db.transaction().execute(async (tx) => {
    await here.access.audit(tx, defaultScope, {
      actor: systemActor,
      action: "device.noted",
      subject: { kind: "device", id: "x" },
      detail: {},
    });
    throw new Error("changed its mind");
  });
  await assert.rejects(failing, /changed its mind/);
  await note(here.access, 2);
  assert.deepEqual([(await here.access.verifyAudit()).entries, (await here.access.verifyAudit()).intact], [2, true]);
});

test("a detail comes back as it went in, fractions and odd characters included, and the chain stays whole", async () => {
  await using here = await world();
  const detail = { share: 0.1, big: 1e21, tiny: 5e-324, text: 'é\u2028😀"\\', nested: { list: [1, null, true] } };
  await note(here.access, 1, { ...detail, nothing: undefined, said: "a\0b\uDC00" });
  const [entry] = await listTrail(here.db, defaultScope, { limit: 10 });
  assert.deepEqual(entry?.detail, { ...detail, said: "a\uFFFDb\uFFFD" });
  assert.equal((await here.access.verifyAudit()).intact, true);
});

test("the database itself refuses to change, remove or empty the trail", async () => {
  await using here = await world();
  await note(here.access, 1);
  for (const attempt of [
    sql`update access.audit_entry set action = 'x'`,
    sql`delete from access.audit_entry`,
    sql`truncate access.audit_entry`,
  ]) {
    await assert.rejects(attempt.execute(here.db), /append-only/);
  }
});

test("whoever gets round that is found out, and the place is named", async () => {
  await using here = await world();
  for (let n = 1; n <= 5; n++) await note(here.access, n);
  const tamper = async (change: ReturnType<typeof sql>) => {
    await sql`alter table access.audit_entry disable trigger all`.execute(here.db);
    await change.execute(here.db);
    await sql`alter table access.audit_entry enable trigger all`.execute(here.db);
  };
  await tamper(sql`update access.audit_entry set detail = '{"because":"nothing"}' where seq = 4`);
  const changed = await here.access.verifyAudit();
  assert.deepEqual([changed.intact, changed.brokenAt, changed.entries], [false, 4, 3]);
  await tamper(sql`delete from access.audit_entry where seq = 2`);
  assert.equal((await here.access.verifyAudit()).brokenAt, 2);
});

test("the trail is walked in pages, however long it is", async () => {
  await using here = await world();
  await here.db.transaction().execute(async (tx) => {
    for (let n = 0; n < 1_001; n++)
      await here.access.audit(tx, defaultScope, {
        actor: systemActor,
        action: "device.noted",
        subject: { kind: "device", id: `device-${n}` },
        detail: {},
      });
  });
  const verdict = await here.access.verifyAudit();
  assert.deepEqual([verdict.entries, verdict.intact], [1_001, true]);
});

test("the list is newest first, a fleet's own, and can be asked for one action or one subject", async () => {
  await using here = await world();
  for (let n = 1; n <= 3; n++) await note(here.access, n);
  const subjects = async (question: Parameters<typeof listTrail>[2], fleet = "main") =>
    (await listTrail(here.db, { fleet }, question)).map(({ subject }) => subject.id);
  assert.deepEqual(await subjects({ limit: 2 }), ["device-3", "device-2"]);
  assert.deepEqual(await subjects({ limit: 2, before: 2 }), ["device-1"]);
  assert.deepEqual(await subjects({ limit: 9, subject: "device-2" }), ["device-2"]);
  assert.deepEqual(await subjects({ limit: 9, action: "device.suspended" }), []);
  assert.deepEqual(await subjects({ limit: 9 }, "other"), []);
});
