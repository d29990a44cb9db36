import assert from "node:assert/strict";
import { test } from "node:test";
import { deviceSeries } from "./routes.ts";
import { metricsOf, newestLogs } from "./store.ts";
import { message, telemetryWorld } from "./testing.ts";

const main = { fleet: "main" };
const t0 = Date.UTC(2026, 5, 15, 11);

test("20,000 messages are taken in, and a query returns exactly their points", async () => {
  await using world = await telemetryWorld();
  const { intake, telemetry } = await world.open();
  const began = performance.now();
  for (let i = 0; i < 20_000; i += 200) {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, k) =>
        intake.receive(message(`dev-${(i + k) % 100}`, { seq: i + k, half: (i + k) / 2, ts: t0 + i + k })),
      ),
    );
    assert.ok(answers.every((answer) => answer.is === "stored"));
  }
  const took = performance.now() - began;
  await intake.caughtUp();
  console.log("received", took, "queryable", performance.now() - began);
  const [all] = await world.store.query<{ n: number; seqs: number; sum: number }>(
    "SELECT count() AS n, uniqExact(value) AS seqs, sum(value) AS sum FROM tenfold.point WHERE metric = 'seq'",
  );
  assert.deepEqual(all, { n: 20_000, seqs: 20_000, sum: (19_999 * 20_000) / 2 });
  const { points, stored, sampling } = await deviceSeries(world.store, main, {
    device: "dev-7",
    metric: "seq",
    from: 0,
    to: t0 * 2,
    points: 1_000,
  });
  assert.deepEqual([stored, sampling, points.length], [200, "all", 200]);
  assert.deepEqual(points[1], {
    at: new Date(t0 + 107).toISOString(),
    v: 107,
    receivedAt: new Date(world.clock.now()).toISOString(),
  });
  const lag = await telemetry.lagBetween(main, world.clock.now() - 60_000, world.clock.now() + 60_000);
  assert.equal(lag.n, 20_000);
});
