import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultScope, seededRandom } from "@tenfold/base";
import { sql } from "kysely";
import type { Contact } from "./contacts.ts";
import { heartbeatOf, registryWorld, start } from "./testing.ts";

type World = Awaited<ReturnType<typeof registryWorld>>;

async function spans(w: World, device: string): Promise<[number, number][]> {
  const { rows } = await sql<{ from: Date; until: Date }>`
    select lower(r) as "from", upper(r) as until from (
      select unnest(range_agg(during)) as r from registry.reachable_time where device = ${device}
    ) u order by 1`.execute(w.db);
  return rows.map(({ from, until }) => [(from.getTime() - start) / 1_000, (until.getTime() - start) / 1_000]);
}

const beat = (second: number, leaseS: number): Contact => ({
  device: "pump-1",
  at: start + second * 1_000,
  heartbeat: heartbeatOf({ leaseS }),
});

test("reachable time is the union of the leases, gaps and all", async () => {
  await using w = await registryWorld();
  await w.add("pump-1");
  await w.registry.recordContacts([beat(0, 60), beat(50, 60)]);
  await w.registry.recordContacts([beat(300, 60), beat(320, 10)]);
  assert.deepEqual(await spans(w, "pump-1"), [
    [0, 110],
    [300, 360],
  ]);
});

test("a message that is no heartbeat is contact for the lease that the device promised last", async () => {
  await using w = await registryWorld();
  await w.add("pump-1");
  await w.registry.recordContacts([beat(0, 60)]);
  await w.registry.recordContacts([{ device: "pump-1", at: start + 40_000 }]);
  assert.deepEqual(await spans(w, "pump-1"), [[0, 100]]);
});

test("batches that come twice or in pieces make the same spans as one batch", async () => {
  const random = seededRandom("contacts");
  let at = 0;
  const contacts = Array.from({ length: 120 }, () => {
    at += Math.floor(random() ** 4 * 200) + 0.5;
    return beat(at, 1 + Math.floor(random() * 40));
  });
  const whole = await outcome([contacts, contacts]);
  const pieces = [contacts.slice(0, 30), contacts.slice(20, 60), contacts.slice(0, 61), contacts.slice(60), contacts.slice(90)];
  assert.deepEqual(await outcome(pieces), whole);
  const union = contacts.reduce<[number, number][]>((open, { at: moment, heartbeat }) => {
    const [from, until] = [(moment - start) / 1_000, (moment - start) / 1_000 + (heartbeat?.leaseS ?? 0)];
    const last = open.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], until);
    else open.push([from, until]);
    return open;
  }, []);
  assert.ok(union.length > 5);
  assert.deepEqual(whole, union);
});

async function outcome(batches: Contact[][]): Promise<[number, number][]> {
  await using w = await registryWorld();
  await w.add("pump-1");
  for (const batch of batches) await w.registry.recordContacts(batch);
  return spans(w, "pump-1");
}

test("two batches at once for the same devices, in opposite order, both arrive", async () => {
  await using w = await registryWorld();
  const ids = Array.from({ length: 50 }, (_, i) => `pump-${i}`);
  for (const id of ids) await w.add(id);
  const batch = (list: string[], offset: number) =>
    list.map((device) => ({ device, at: start + offset, heartbeat: heartbeatOf({}) }));
  await Promise.all(Array.from({ length: 8 }, (_, i) => w.registry.recordContacts(batch(i % 2 ? ids : ids.toReversed(), i * 100))));
  const { rows } = await sql<{ last: Date }>`select distinct last_contact_at as last from registry.device`.execute(w.db);
  assert.deepEqual(
    rows.map(({ last }) => last.getTime() - start),
    [700],
  );
});

test("what an older boot says changes nothing of what is known to run, however late it arrives; the device was in contact all the same", async () => {
  await using w = await registryWorld();
  await w.add("pump-1");
  const said = (second: number, bootId: string, version: string): Contact => ({
    device: "pump-1",
    at: start + second * 1_000,
    heartbeat: { ...heartbeatOf({ leaseS: 60 }), bootId, firmware: { version, state: "confirmed" } },
  });
  const picture = async () => (await w.registry.pictures(defaultScope, ["pump-1"]))[0];
  await w.registry.recordContacts([said(0, "boot-a", "1.0.0"), said(30, "boot-b", "1.0.0")]);
  await w.registry.recordContacts([said(60, "boot-c", "2.0.0")]);
  await w.registry.recordContacts([said(70, "boot-a", "1.0.0"), said(80, "boot-b", "1.0.0")]);
  const { firmware, bootId, pastBoots, lastContactAt } = (await picture()) ?? {};
  assert.deepEqual([firmware?.version, bootId, pastBoots], ["2.0.0", "boot-c", ["boot-a", "boot-b"]]);
  assert.equal(lastContactAt, start + 80_000);
  // Where only an older boot speaks any more, it was not the older one.
  await w.registry.recordContacts([said(150, "boot-b", "1.1.0"), said(160, "boot-c", "2.0.0")]);
  assert.deepEqual([(await picture())?.firmware?.version, (await picture())?.bootId], ["1.1.0", "boot-b"]);
});
