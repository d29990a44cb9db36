import assert from "node:assert/strict";
import { test } from "node:test";
import { days, hours, minutes } from "@tenfold/base";
import { type Actor, api, createClient } from "@tenfold/contracts";
import { sql } from "kysely";
import { createAccess } from "../access/index.ts";
import { createHttp, silentLog } from "../kernel/index.ts";
import { createHold } from "./holds.shell.ts";
import { applyRetention, previewRetention } from "./retention.shell.ts";
import { dueBefore, planPartitions } from "./retention.ts";
import { deviceSeries, telemetryRoutes } from "./routes.ts";
import { message, type TelemetryWorld, telemetryWorld } from "./testing.ts";

const main = { fleet: "main" };
const noon = Date.UTC(2026, 5, 15, 12);
const anna: Actor = { kind: "person", id: "anna", name: "Anna" };
const ben: Actor = { kind: "person", id: "ben", name: "Ben" };

/** Two devices, one point an hour for a hundred days, and a log line a day. */
async function hundredDays(world: TelemetryWorld) {
  const opened = await world.open();
  for (const device of ["dev-1", "dev-2"]) {
    const pack = Array.from({ length: 2_400 }, (_, i) => ({ n: "t", t: (noon - (i + 1) * hours(1)) / 1_000, v: i % 97 }));
    assert.deepEqual(await opened.intake.receive(message(device, pack)), { is: "stored" });
    const lines = Array.from({ length: 100 }, (_, i) => ({
      text: `line ${i}`,
      at: new Date(noon - (i + 1) * days(1)).toISOString(),
    }));
    assert.deepEqual(await opened.intake.receive(message(device, { lines }, { channel: "logs" })), { is: "stored" });
  }
  await opened.intake.caughtUp();
  return opened;
}

const count = async ({ store }: TelemetryWorld, what: string) =>
  (await store.query<{ n: number }>(`SELECT count() AS n FROM tenfold.${what}`))[0]?.n;

test("a preview says what would go and changes nothing; applying deletes exactly that, and proves it in the audit trail", async () => {
  await using world = await telemetryWorld();
  const { telemetry } = await hundredDays(world);
  await telemetry.rollUp("all");
  const wish = { raw: 30, logs: 10 };
  const preview = await previewRetention(telemetry.retention, main, wish);
  const cut = Date.UTC(2026, 4, 16);
  const [raw] = preview;
  assert.deepEqual([raw?.before, raw?.heldRows], [new Date(cut).toISOString(), 0]);
  assert.equal(raw?.rows, await count(world, `point WHERE ts < fromUnixTimestamp64Milli(toInt64(${cut}))`));
  assert.deepEqual(
    raw?.partitions.map(({ partition, how }) => [partition, how]),
    [
      ["202603", "drop"],
      ["202604", "drop"],
      ["202605", "delete"],
    ],
  );
  assert.ok((raw?.bytes ?? 0) > 0);
  assert.equal(await count(world, "point"), 4_800);

  const deletions = await applyRetention(telemetry.retention, main, { wish, reason: "a test", actor: anna });
  assert.deepEqual(
    deletions.map((each) => [each.class, each.rows]).sort(),
    preview
      .filter(({ rows }) => rows > 0)
      .map((each) => [each.class, each.rows])
      .sort(),
  );
  assert.equal(await count(world, `point WHERE ts < fromUnixTimestamp64Milli(toInt64(${cut}))`), 0);
  assert.equal(await count(world, "point"), 4_800 - (raw?.rows ?? 0));
  assert.equal(await count(world, "point_hour FINAL"), 4_800, "hours outlive points");
  const audited = await sql<{ detail: { sha256: string; rows: number; partitions: unknown[] } }>`
    select detail from access.audit_entry where action = 'telemetry.deleted' and detail ->> 'class' = 'raw'`.execute(
    world.database.db,
  );
  assert.equal(audited.rows[0]?.detail.sha256, deletions.find((each) => each.class === "raw")?.sha256);
  assert.equal(audited.rows[0]?.detail.partitions.length, 3);
  assert.deepEqual(await applyRetention(telemetry.retention, main, { wish: {}, reason: "again", actor: anna }), []);

  const range = { device: "dev-1", metric: "t", from: noon - days(100), to: noon, points: 3_000, sampling: "minmax" as const };
  const series = await deviceSeries(telemetry.series, main, range);
  assert.deepEqual([series.resolution, series.stored, series.points.length], ["1m", 2_400, 2_400]);
});

test("what is held is not deleted, in no class, until it is released; a legal hold by a second person", async () => {
  await using world = await telemetryWorld();
  const { telemetry } = await hundredDays(world);
  await telemetry.rollUp("all");
  const app = await createHttp({
    log: silentLog,
    version: "0",
    answers: "validate",
    authenticate: async ({ headers }) => ({ actor: headers["x-who"] === "ben" ? ben : anna, role: "security", scope: main }),
  });
  telemetryRoutes(app, { store: world.store, telemetry, select: async () => ["dev-1"] });
  const baseUrl = await app.listen({ port: 0, host: "127.0.0.1" });
  const client = createClient({ baseUrl, token: "tf_test" });
  const benClient = createClient({
    baseUrl,
    token: "tf_test",
    fetch: (input, init) => fetch(input, { ...init, headers: { ...Object(init?.headers), "x-who": "ben" } }),
  });
  try {
    const [from, until] = [noon - days(80), noon - days(70)].map((at) => new Date(at + minutes(30)).toISOString());
    const window = { from: from ?? "", until: until ?? "" };
    const hold = await client.call(api.createHold, {
      body: { kind: "legal", reason: "case 7", devices: ["dev-1"], ...window },
    });
    const preview = await client.call(api.previewRetention, { body: { keepDays: { raw: 10, minute: 10, logs: 10 } } });
    assert.deepEqual(
      preview.items.map((each) => [each.class, each.heldRows]),
      [
        ["raw", 240],
        ["minute", 240],
        ["hour", 0],
        ["events", 0],
        ["logs", 10],
      ],
    );
    await client.call(api.applyRetention, { body: { keepDays: { raw: 10, minute: 10, hour: 10, logs: 10 }, reason: "less" } });
    const old = `ts < fromUnixTimestamp64Milli(toInt64(${Date.UTC(2026, 5, 5)}))`;
    for (const [table, held] of [
      ["point", 240],
      ["device_log", 10],
    ] as const)
      assert.deepEqual(
        [await count(world, `${table} WHERE ${old}`), await count(world, `${table} WHERE ${old} AND device = 'dev-1'`)],
        [held, held],
      );
    assert.ok(((await count(world, `point_hour FINAL WHERE ${old}`)) ?? 0) >= 240);

    await assert.rejects(client.call(api.releaseHold, { params: { id: hold.id }, body: { reason: "over" } }), {
      code: "second_person_needed",
    });
    await assert.rejects(client.call(api.releaseHold, { params: { id: "hold_x" }, body: { reason: "over" } }), {
      code: "hold_unknown",
    });
    const released = await benClient.call(api.releaseHold, { params: { id: hold.id }, body: { reason: "over" } });
    assert.equal(released.releasedBy?.id, "ben");
    await client.call(api.applyRetention, { body: { reason: "the rest" } });
    assert.equal(await count(world, `point WHERE ${old}`), 0);

    const shown = await client.call(api.getRetention, {});
    assert.deepEqual([shown.keepDays.raw, shown.holds.length], [10, 1]);
    assert.ok(shown.deletions.every(({ sha256, finishedAt }) => sha256?.length === 64 && finishedAt !== undefined));
    assert.equal(shown.classes.find((each) => each.class === "raw")?.rows, await count(world, "point"));
    assert.equal((await createAccess({ db: world.database.db, clock: world.clock, log: silentLog }).verifyAudit()).intact, true);
  } finally {
    await app.close();
  }
});

test("a deletion that a dead process left unfinished is ended, and no hold is set into its window meanwhile", async () => {
  await using world = await telemetryWorld();
  const { telemetry } = await hundredDays(world);
  await telemetry.rollUp("all");
  const { retention } = telemetry;
  const command = retention.store.command.bind(retention.store);
  const dying = {
    ...retention,
    store: {
      ...retention.store,
      command: async (text: string, parameters?: Parameters<typeof command>[1]) => {
        if (text.startsWith("ALTER")) throw new Error("the process died here");
        return command(text, parameters);
      },
    },
  };
  await assert.rejects(applyRetention(dying, main, { wish: { raw: 30 }, reason: "a test", actor: anna }), /died here/);
  assert.equal(await count(world, "point"), 4_800);
  const window = { from: new Date(noon - days(60)).toISOString(), until: new Date(noon).toISOString() };
  const wish = { kind: "incident" as const, reason: "too late", devices: ["dev-1"], ...window, actor: anna };
  await assert.rejects(createHold(retention, main, wish), { code: "deletion_under_way" });
  await applyRetention(retention, main, { wish: {}, reason: "next", actor: ben });
  assert.ok(((await count(world, "point")) ?? 0) < 4_800);
  await createHold(retention, main, wish);
});

test("what is exported is every point once, as CSV and as Parquet, and the trail knows who took it", async () => {
  await using world = await telemetryWorld();
  const { telemetry, intake } = await hundredDays(world);
  await intake.receive(message("dev-1", { note: 'a "quoted", text', ts: noon - 1 }));
  await intake.caughtUp();
  const app = await createHttp({
    log: silentLog,
    version: "0",
    answers: "stringify",
    authenticate: async () => ({ actor: anna, role: "viewer", scope: main }),
  });
  telemetryRoutes(app, { store: world.store, telemetry, select: async () => ["dev-1"] });
  const client = createClient({ baseUrl: await app.listen({ port: 0, host: "127.0.0.1" }), token: "tf_test" });
  const path = (more: string) => `/api/v1/telemetry/export?from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z${more}`;
  try {
    const csv = await (await client.raw("GET", path("&filter=tag:x=y"))).text();
    const lines = csv.trimEnd().split("\n");
    assert.deepEqual(lines.slice(0, 2), [
      '"device","metric","at","value","text","unit","received_at"',
      '"dev-1","note","2026-06-15T11:59:59.999Z",\\N,"a ""quoted"", text","","2026-06-15T12:00:00.000Z"',
    ]);
    assert.equal(lines.length, 2_402);
    const parquet = Buffer.from(await (await client.raw("GET", path("&metric=t&format=parquet"))).arrayBuffer());
    assert.deepEqual([parquet.subarray(0, 4).toString(), parquet.subarray(-4).toString()], ["PAR1", "PAR1"]);
    await assert.rejects(client.raw("GET", path("&form=csv")), { status: 422 });
    assert.equal(
      (
        await sql<{ n: number }>`select count(*)::int as n from access.audit_entry where action = 'telemetry.exported'`.execute(
          world.database.db,
        )
      ).rows[0]?.n,
      2,
    );
  } finally {
    await app.close();
  }
});

test("a device keeps the first metrics of its budget; new ones beyond it are refused with a reason, also after a restart", async () => {
  await using world = await telemetryWorld();
  const many = Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`m${i}`, i]));
  for (const _ of [1, 2]) {
    const { intake, journal, telemetry } = await world.open();
    assert.deepEqual(await intake.receive(message("dev-1", many)), { is: "stored" });
    assert.deepEqual(await intake.receive(message("dev-2", { m24: 1 })), { is: "stored" });
    await intake.caughtUp();
    await journal.close();
    await telemetry.stop();
  }
  assert.deepEqual(
    await world.store.query(
      "SELECT device, count() AS n, uniqExact(metric) AS metrics FROM tenfold.point GROUP BY device ORDER BY device",
    ),
    [
      { device: "dev-1", n: 40, metrics: 20 },
      { device: "dev-2", n: 2, metrics: 1 },
    ],
  );
  assert.deepEqual(
    world.refused.map(({ device, because }) => [device, because]),
    [
      ["dev-1", "metric_budget_exceeded"],
      ["dev-1", "metric_budget_exceeded"],
    ],
  );
  assert.match(world.refused[0]?.detail ?? "", /"m20" is not stored: the device has sent 20 different metrics/);
});

test("a cut is a whole day, and a month goes as a whole only when nothing else lies in it", () => {
  assert.equal(dueBefore(1, noon), Date.UTC(2026, 5, 14));
  assert.equal(dueBefore(null, noon), undefined);
  const month = { partition: "202601", total: 10, bytes: 1_000, due: 10, held: 0, from: 1, to: 2 };
  assert.deepEqual(
    [month, { ...month, held: 4 }, { ...month, due: 5 }, { ...month, held: 10 }].flatMap((facts) =>
      planPartitions([facts]).map(({ how, rows, bytes }) => [how, rows, bytes]),
    ),
    [
      ["drop", 10, 1_000],
      ["delete", 6, 600],
      ["delete", 5, 500],
    ],
  );
});
