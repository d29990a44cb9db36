import assert from "node:assert/strict";
import { test } from "node:test";
import { api, createClient } from "@tenfold/contracts";
import { sql } from "kysely";
import { createAccess } from "../access/index.ts";
import { createHttp, silentLog } from "../kernel/index.ts";
import { applyDeadLetter, discardDeadLetter, listDeadLetters } from "./dead-letter.shell.ts";
import { deviceSeries, telemetryRoutes } from "./routes.ts";
import { message, type TelemetryWorld, telemetryWorld } from "./testing.ts";

const main = { fleet: "main" };
const noon = Date.UTC(2026, 5, 15, 12);
const eleven = noon - 3_600_000;
const forever = { from: 0, to: Date.UTC(2200, 0) };

type World = Awaited<ReturnType<TelemetryWorld["open"]>>;

/** Sends and insists on an acknowledgement. */
async function send(intake: World["intake"], ...messages: Parameters<World["intake"]["receive"]>[0][]): Promise<void> {
  const answers = await Promise.all(messages.map((each) => intake.receive(each)));
  for (const answer of answers) assert.deepEqual(answer, { is: "stored" });
}

const countSeqs = async ({ store }: TelemetryWorld) =>
  (
    await store.query<{ n: number; different: number }>(
      "SELECT count() AS n, uniqExact(value) AS different FROM tenfold.point WHERE metric = 'seq'",
    )
  )[0];

test("20,000 messages are taken in, and a query returns exactly their points", async () => {
  await using world = await telemetryWorld();
  const { intake, telemetry } = await world.open();
  for (let i = 0; i < 20_000; i += 500) {
    await send(
      intake,
      ...Array.from({ length: 500 }, (_, k) => message(`dev-${(i + k) % 100}`, { seq: i + k, ts: eleven + i + k })),
    );
  }
  await intake.caughtUp();
  assert.deepEqual(await countSeqs(world), { n: 20_000, different: 20_000 });
  const { points, ...rest } = await deviceSeries(telemetry.series, main, {
    device: "dev-7",
    metric: "seq",
    ...forever,
    points: 1_000,
    sampling: "minmax",
  });
  assert.deepEqual(rest, { device: "dev-7", metric: "seq", sampling: "all", resolution: "raw", stored: 200 });
  assert.deepEqual(
    points,
    Array.from({ length: 200 }, (_, i) => ({
      at: new Date(eleven + 7 + i * 100).toISOString(),
      v: 7 + i * 100,
      receivedAt: new Date(noon).toISOString(),
    })),
  );
  const lag = await telemetry.lagBetween(main, noon - 60_000, noon + 60_000);
  assert.equal(lag.n, 20_000);
  assert.equal(lag.platform.p99, 0);
  assert.ok(lag.p50 !== undefined && Math.abs(lag.p50 - 3_590_000) < 40_000, `p50 ${lag.p50}`);
});

test("the store process is killed again and again while messages come: each is stored exactly once", async () => {
  await using world = await telemetryWorld();
  const { intake } = await world.open();
  for (let i = 0; i < 6_000; i += 200) {
    await send(intake, ...Array.from({ length: 200 }, (_, k) => message(`dev-${k % 10}`, { seq: i + k, ts: eleven + i + k })));
    const pid = world.store.pid();
    if (i % 2_000 === 1_000 && pid !== undefined) process.kill(pid, "SIGKILL");
  }
  await intake.caughtUp();
  assert.deepEqual(await countSeqs(world), { n: 6_000, different: 6_000 });
});

const tables = ["tenfold.point", "tenfold.device_event", "tenfold.device_log"];
/** What a power cut may leave of the engine's memory of tokens, which it does not flush together with the rows. */
const memories: Record<string, (table: string) => string | undefined> = {
  "the engine remembers the batch": () => undefined,
  "the engine has the rows and forgot their token": (table) =>
    `ALTER TABLE ${table} MODIFY SETTING non_replicated_deduplication_window = 0`,
};
for (const [name, loses] of Object.entries(memories))
  test(`after a crash between storing and noting it, the replay loses and doubles nothing, where ${name}`, () =>
    replaysOnce(loses));

async function replaysOnce(loses: (table: string) => string | undefined): Promise<void> {
  await using world = await telemetryWorld();
  const first = await world.open();
  const months = [Date.UTC(2026, 2, 31, 23), Date.UTC(2026, 3, 1), eleven];
  await send(
    first.intake,
    ...Array.from({ length: 300 }, (_, i) => message("dev-1", { seq: i, mode: `m${i}`, ts: (months[i % 3] ?? 0) + i })),
  );
  await send(
    first.intake,
    message("dev-1", { type: "oom", severity: "error" }, { channel: "events" }),
    message("dev-1", { lines: [{ text: "one" }, { text: "two" }] }, { channel: "logs" }),
  );
  await first.intake.caughtUp();
  await dieBeforeTheCheckpoint(world, first);
  for (const statement of tables.map(loses)) if (statement !== undefined) await world.store.command(statement);
  const second = await world.open();
  await second.intake.caughtUp();
  assert.deepEqual(await countSeqs(world), { n: 300, different: 300 });
  assert.deepEqual(
    (await second.telemetry.deviceEvents(main, "dev-1", 10)).map(({ type, severity, at }) => [type, severity, at]),
    [["oom", "error", noon]],
  );
  assert.deepEqual(await world.store.query("SELECT text FROM tenfold.device_log ORDER BY place"), [
    { text: "one" },
    { text: "two" },
  ]);
}

test("after a power cut that left a batch's token and took its rows, the replay stores them", async () => {
  await using world = await telemetryWorld();
  const first = await world.open();
  await send(first.intake, message("dev-1", { seq: 1 }));
  await first.intake.caughtUp();
  await send(first.intake, message("dev-1", { seq: 2 }));
  await first.intake.caughtUp();
  await dieBeforeTheCheckpoint(world, first);
  await world.store.command("ALTER TABLE tenfold.point DELETE WHERE value = 2");
  const second = await world.open();
  await second.intake.caughtUp();
  assert.deepEqual(await countSeqs(world), { n: 2, different: 2 });
});

async function dieBeforeTheCheckpoint(world: TelemetryWorld, { journal, telemetry }: World): Promise<void> {
  await journal.close();
  await telemetry.stop();
  assert.ok((await world.loseCheckpoints()) > 0, "nothing would be replayed");
}

test("hostile names and texts come back byte for byte", async () => {
  await using world = await telemetryWorld();
  const { intake, telemetry } = await world.open();
  const texts = [
    "'; DROP TABLE tenfold.point; --",
    "\n\n",
    "}\n\ndrop table tenfold.point",
    "\0",
    "\\'",
    "{device:String}",
    "é😀\u2028",
    "nan",
    "",
  ];
  await send(intake, ...texts.map((text, i) => message("dev-'x", { "it's; -- {a:b} \\": text, ts: eleven + i })));
  await intake.caughtUp();
  const { points } = await deviceSeries(telemetry.series, main, {
    device: "dev-'x",
    metric: "it's; -- {a:b} \\",
    ...forever,
    points: 100,
    sampling: "minmax",
  });
  assert.deepEqual(
    points.map(({ v }) => v),
    texts,
  );
});

test("what cannot be read is refused with a reason, counted, and never stored", async () => {
  await using world = await telemetryWorld();
  const { intake, journal } = await world.open();
  assert.deepEqual(await intake.receive(message("dev-1", { a: { b: 1 } })), {
    is: "refused",
    because: "value_unsupported",
    detail:
      '"a" is an object; a value is a number, a text, true or false. Give each inner value a key of its own, or leave it out.',
  });
  const unheard = await intake.receive(message("dev-1", { x: 1 }, { channel: "state" }));
  assert.equal(unheard.is === "refused" && unheard.because, "channel_unsupported");
  assert.deepEqual(
    world.refused.map(({ device, because }) => [device, because]),
    [
      ["dev-1", "value_unsupported"],
      ["dev-1", "channel_unsupported"],
    ],
  );
  assert.equal(journal.backlog().frames, 0);
  await send(intake, message("dev-1", { x: 1 }));
});

test("when the journal cannot take a message, it is not acknowledged", async () => {
  await using world = await telemetryWorld();
  const { intake, journal } = await world.open();
  await journal.close();
  assert.equal((await intake.receive(message("dev-1", { x: 1 }))).is, "unavailable");
});

test("a poisoned message is put aside with its reason, and all others are stored", async () => {
  await using world = await telemetryWorld();
  await world.store.command("ALTER TABLE tenfold.point ADD CONSTRAINT no_poison CHECK text != 'poison'");
  const { intake } = await world.open();
  await send(
    intake,
    ...Array.from({ length: 40 }, (_, i) => message("dev-1", { seq: i, note: i === 17 ? "poison" : "fine", ts: eleven + i })),
  );
  await intake.caughtUp();
  assert.deepEqual(await countSeqs(world), { n: 40, different: 40 });
  const kept = await sql<{
    device: string;
    consumer: string;
    payload: Buffer;
    because: string;
  }>`select device, consumer, payload, because from telemetry.dead_letter`.execute(world.database.db);
  assert.deepEqual(
    kept.rows.map(({ device, consumer, payload }) => [device, consumer, JSON.parse(payload.toString()).seq]),
    [["dev-1", "points", 17]],
  );
  assert.match(kept.rows[0]?.because ?? "", /no_poison/);
});

test("a dead letter is told on its device, applied once when the cause is mended, however often that is asked for, and leaves its trace", async () => {
  await using world = await telemetryWorld();
  const { db } = world.database;
  await world.store.command("ALTER TABLE tenfold.point ADD CONSTRAINT no_poison CHECK text != 'poison'");
  const { intake } = await world.open();
  await send(
    intake,
    message("dev-1", { seq: 0, note: "poison", ts: eleven }),
    message("dev-1", { seq: 1, note: "poison", ts: eleven + 1 }),
  );
  await intake.caughtUp();
  assert.deepEqual(
    world.refused.map(({ device, because }) => [device, because]),
    Array(2).fill(["dev-1", "put_aside"]),
  );
  const scope = { fleet: "main" };
  const actor = { kind: "person", id: "per_1", name: "Ada" } as const;
  const deps = { db, intake, audit: createAccess({ db, clock: world.clock, log: silentLog }).audit };
  const letters = await listDeadLetters(db, scope, { limit: 10 });
  const [one, two] = letters.map(({ id }) => id);
  assert.ok(one !== undefined && two !== undefined && letters.length === 2);
  assert.deepEqual(
    (await listDeadLetters(db, scope, { limit: 10, before: one })).map(({ id }) => id),
    [two],
  );
  assert.deepEqual(await listDeadLetters(db, { fleet: "other" }, { limit: 10 }), []);

  const still = await applyDeadLetter(deps, scope, { id: one, actor });
  assert.deepEqual([still.applied, /no_poison/.test(still.because ?? "")], [false, true]);
  await world.store.command("ALTER TABLE tenfold.point DROP CONSTRAINT no_poison");
  const answers = await Promise.allSettled([1, 2, 3].map(() => applyDeadLetter(deps, scope, { id: one, actor })));
  assert.ok(answers.some((answer) => answer.status === "fulfilled" && answer.value.applied));
  await assert.rejects(applyDeadLetter(deps, scope, { id: one, actor }), { code: "dead_letter_unknown" });
  await discardDeadLetter(deps, scope, { id: two, actor, reason: "test bench" });
  assert.deepEqual(await listDeadLetters(db, scope, { limit: 10 }), []);
  // What of each message could be stored was stored at once; the rest of one has come now, and nothing of it twice.
  assert.deepEqual(await countSeqs(world), { n: 2, different: 2 });
  const [notes] = await world.store.query<{ n: number }>("SELECT count() AS n FROM tenfold.point WHERE metric = 'note'");
  assert.equal(notes?.n, 1);
  const { rows } = await sql<{
    action: string;
  }>`select action from access.audit_entry where action like 'telemetry.dead%' order by seq`.execute(db);
  assert.deepEqual(
    rows.map(({ action }) => action),
    ["telemetry.dead_letter_applied", "telemetry.dead_letter_discarded"],
  );
});

test("a consumer that fails for one message keeps no other from it", async () => {
  await using world = await telemetryWorld();
  const got: string[] = [];
  const { intake } = await world.open({
    before: (unstarted) =>
      unstarted.consume("telemetry", {
        name: "picky",
        decode: (payload) => ({ is: "ok", value: payload.toString() }),
        async apply(batch) {
          if (batch.some(({ value }) => value.includes("13"))) throw new Error("unlucky");
          got.push(...batch.map(({ value }) => value));
        },
      }),
  });
  await send(intake, ...Array.from({ length: 20 }, (_, i) => message("dev-1", { seq: i })));
  await intake.caughtUp();
  assert.equal(got.length, 19);
  assert.deepEqual(await countSeqs(world), { n: 20, different: 20 });
});

test("over the API: thinned series keep their extremes, metrics, logs and fleet-wide buckets", async () => {
  await using world = await telemetryWorld();
  const { intake, telemetry } = await world.open();
  const spike = 4_321;
  for (let i = 0; i < 10_000; i += 1_000) {
    await send(
      intake,
      message(
        "dev-1",
        Array.from({ length: 1_000 }, (_, k) => ({
          n: "t",
          u: "Cel",
          t: (i + k - 10_000) / 10,
          v: i + k === spike ? 99 : Math.sin((i + k) / 500),
        })),
      ),
    );
  }
  await send(
    intake,
    message("dev-2", { t: 5, mode: "eco", ts: noon - 1_000 }),
    message(
      "dev-2",
      {
        lines: [
          { text: "first", at: "2026-06-15T11:00:00Z" },
          { text: "last", level: "warn", at: "2026-06-15T11:00:00Z" },
        ],
      },
      { channel: "logs" },
    ),
  );
  await intake.caughtUp();

  const actor = { kind: "service_account" as const, id: "test", name: "test" };
  const app = await createHttp({
    log: silentLog,
    version: "0",
    answers: "validate",
    authenticate: async () => ({ actor, role: "admin", scope: main }),
  });
  telemetryRoutes(app, { store: world.store, telemetry, select: async (_, filter) => (filter === "nobody" ? [] : ["dev-2"]) });
  const client = createClient({ baseUrl: await app.listen({ port: 0, host: "127.0.0.1" }), token: "tf_test" });
  try {
    const all = await client.call(api.getDeviceTelemetry, { params: { id: "dev-1" }, query: { metric: "t", points: 20_000 } });
    assert.deepEqual([all.sampling, all.stored, all.points.length, all.unit], ["all", 10_000, 10_000, "Cel"]);
    const thin = await client.call(api.getDeviceTelemetry, { params: { id: "dev-1" }, query: { metric: "t", points: 100 } });
    assert.deepEqual(
      [thin.sampling, thin.stored, thin.points.length <= 100, thin.points.length > 90],
      ["minmax", 10_000, true, true],
    );
    assert.ok(thin.points.some(({ v }) => v === 99));
    assert.deepEqual(
      thin.points.map(({ at }) => at),
      thin.points.map(({ at }) => at).toSorted(),
    );

    const metrics = await client.call(api.listDeviceMetrics, { params: { id: "dev-2" } });
    assert.deepEqual(
      metrics.items.map(({ metric, latest, points }) => [metric, latest.v, points]),
      [
        ["mode", "eco", 1],
        ["t", 5, 1],
      ],
    );
    const logs = await client.call(api.getDeviceLogs, { params: { id: "dev-2" }, query: { limit: 10 } });
    assert.deepEqual(
      logs.items.map(({ level, text }) => [level, text]),
      [
        ["info", "first"],
        ["warn", "last"],
      ],
    );

    const range = { metric: "t", from: new Date(noon - 1_000_000).toISOString(), to: new Date(noon).toISOString(), buckets: 10 };
    const counted = await client.call(api.queryTelemetry, { body: { ...range, aggregate: "count", filter: "" } });
    assert.deepEqual(
      counted.items.map(({ v }) => v),
      [...Array(9).fill(1_000), 1_001],
    );
    assert.deepEqual(
      counted.items.map(({ devices }) => devices),
      [...Array(9).fill(1), 2],
    );
    const one = await client.call(api.queryTelemetry, { body: { ...range, aggregate: "max", filter: "tag:x=y" } });
    assert.deepEqual(
      one.items.map(({ v }) => v),
      [...Array(9).fill(null), 5],
    );
    const none = await client.call(api.queryTelemetry, { body: { ...range, aggregate: "avg", filter: "nobody" } });
    assert.ok(none.items.every(({ v, devices }) => v === null && devices === 0));
    await assert.rejects(client.call(api.queryTelemetry, { body: { ...range, to: range.from, aggregate: "avg", filter: "" } }), {
      code: "time_range_invalid",
    });
  } finally {
    await app.close();
  }
});

test("lag survives a restart, adds up over lives, and other fleets do not see it", async () => {
  await using world = await telemetryWorld();
  for (const _ of [1, 2]) {
    const { intake, journal, telemetry } = await world.open();
    await send(intake, message("dev-1", { x: 1, ts: noon - 4_000 }), message("dev-1", { x: 1 }));
    await intake.caughtUp();
    await journal.close();
    await telemetry.stop();
  }
  const { telemetry } = await world.open();
  const lag = await telemetry.lagBetween(main, noon, noon + 1);
  assert.deepEqual([lag.n, lag.p50, lag.platform.p99], [4, 0, 0]);
  assert.ok(Math.abs((lag.p99 ?? 0) - 4_000) <= 40);
  assert.deepEqual(
    lag.perMinute.map(({ minute, n }) => [minute, n]),
    [[noon, 4]],
  );
  assert.equal((await telemetry.lagBetween({ fleet: "other" }, noon, noon + 1)).n, 0);
  assert.deepEqual([...(await telemetry.latest(main, "dev-1"))], [["x", { v: 1, unit: "", at: noon }]]);
});
