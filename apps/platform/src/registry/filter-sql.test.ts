import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultScope, seededRandom } from "@tenfold/base";
import { evaluate, type Filter, type FilterSubject, lifecycles, printFilter, statuses } from "@tenfold/query";
import { sql } from "kysely";
import { connectivityOf } from "./connectivity.ts";
import { heartbeatOf, registryWorld, start } from "./testing.ts";

const sites = ["berlin", "", 'new "york"', "ÉÉ", "100%"];
const versions = ["1.4.0", "v1.4", "1.4.0-rc.1", "1.10.0", "2", "1.4.0-rc.10", "nightly", "1.4.0+b7", "é", "0.9.9"];
const models = ["P1", "P 2", "x%"];
const revisions = ["A", "a", "B%"];

function draws(seed: string) {
  const random = seededRandom(seed);
  const below = (n: number) => Math.floor(random() * n);
  const of = <T>(list: readonly T[]): T => list[below(list.length)] as T; // no list here is empty
  return { below, of };
}

type Draws = ReturnType<typeof draws>;

function drawFilter(draw: Draws, depth: number): Filter {
  const kind = draw.below(depth > 3 ? 10 : 13);
  const terms: (() => Filter)[] = [
    () => ({ is: "text", contains: draw.of(["1", "DEV-", "dev_1", "%", "É", "v-2", "K"]) }),
    () => ({ is: "id", id: `Dev-${draw.below(60)}` }),
    () => (draw.below(3) === 0 ? { is: "tag", key: "site" } : { is: "tag", key: "site", value: draw.of(sites) }),
    () => ({ is: "status", status: draw.of(statuses) }),
    () => ({ is: "lifecycle", lifecycle: draw.of(lifecycles) }),
    () => ({ is: "fw", compare: draw.of(["<", "<=", "=", ">=", ">"] as const), version: draw.of(versions) }),
    () => ({ is: "model", model: draw.of(models) }),
    () => ({ is: "hw", revision: draw.of(revisions) }),
    () => ({
      is: "lastSeen",
      compare: draw.of(["<", "<=", ">=", ">"] as const),
      age: draw.of([0, 1_000, 30_000, 60_000, 600_000]),
    }),
    () => ({ is: "group", name: draw.of(["lab", "none"]) }),
  ];
  const parts = () => Array.from({ length: 2 + draw.below(2) }, () => drawFilter(draw, depth + 1));
  if (kind === 10) return { is: "and", of: parts() };
  if (kind === 11) return { is: "or", of: parts() };
  if (kind === 12) return { is: "not", of: drawFilter(draw, depth + 1) };
  return terms[kind]?.() ?? { is: "all" };
}

type World = Awaited<ReturnType<typeof registryWorld>>;

/** Sixty devices of every kind, in the database and as what `evaluate` takes. */
async function fleet(w: World): Promise<FilterSubject[]> {
  const draw = draws("fleet");
  const now = w.pass(600_000);
  await sql`insert into registry.device_group (id, fleet, name, created_at) values ('grp_1', 'main', 'lab', now()), ('grp_2', 'main', 'none', now())`.execute(
    w.db,
  );
  const subjects: FilterSubject[] = [];
  for (let i = 0; i < 60; i++) {
    const subject = await addDevice(w, draw, `Dev-${i}`);
    subjects.push({ ...subject, ...(await letItSpeak(w, { draw, id: subject.id, now })) });
  }
  return subjects;
}

async function addDevice(w: World, draw: Draws, id: string) {
  const tags: Record<string, string> = draw.below(3) === 0 ? {} : { site: draw.of(sites), constructor: "1" };
  const lifecycle = draw.of(lifecycles);
  const groups = draw.below(2) === 0 ? ["lab"] : [];
  await w.add(id, tags);
  await sql`update registry.device set lifecycle = ${lifecycle} where id = ${id}`.execute(w.db);
  if (groups.length > 0) await sql`insert into registry.group_member values ('grp_1', ${id})`.execute(w.db);
  return { id, fleet: "main", lifecycle, tags, groups };
}

/** One in five says nothing, one in five only that it lives. */
async function letItSpeak(w: World, { draw, id, now }: { draw: Draws; id: string; now: number }) {
  const at = now - draw.of([0, 1_000, 30_000, 59_999, 60_000, 60_001, 119_999, 120_000, 600_000]);
  const heartbeat = heartbeatOf({
    leaseS: draw.of([1, 30, 60]),
    version: draw.of(versions),
    model: draw.of(models),
    hardwareRevision: draw.of(revisions),
  });
  const statusOf = (leaseMs: number) => connectivityOf({ lastContactAt: at, leaseMs, reachFrom: at }, now).is;
  const kind = draw.below(5);
  if (kind === 0) return { status: "never_seen" as const };
  await w.registry.recordContacts([kind === 1 ? { device: id, at } : { device: id, at, heartbeat }]);
  if (kind === 1) return { status: statusOf(90_000), lastContactAt: at };
  return {
    status: statusOf(heartbeat.leaseS * 1_000),
    lastContactAt: at,
    model: heartbeat.model,
    hardwareRevision: heartbeat.hardwareRevision,
    firmwareVersion: heartbeat.firmware.version,
  };
}

test("the database and evaluate agree on which devices a filter lets through", async () => {
  await using w = await registryWorld();
  const subjects = await fleet(w);
  const draw = draws("filters");
  let [some, all] = [0, 0];
  for (let i = 0; i < 200; i++) {
    const filter = drawFilter(draw, 0);
    const expected = subjects.filter((subject) => evaluate(filter, subject, w.clock.now())).map(({ id }) => id);
    const text = printFilter(filter);
    const found = (await w.registry.select(defaultScope, text)).map(({ id }) => id);
    assert.deepEqual(found, expected.toSorted(), `filter ${i}: ${text}`);
    all++;
    if (expected.length > 0 && expected.length < subjects.length) some++;
  }
  assert.ok(some > all / 3, `only ${some} of ${all} filters told devices apart`);
  assert.equal(start + 600_000, w.clock.now());
});
