import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { silentLog } from "../log.ts";
import { throwAwayDatabase } from "../testing.ts";
import { seekLead } from "./leader.ts";

test("of three processes one leads; when its connection ends another does, and none begins before the other was told to end", {
  timeout: 30_000,
}, async () => {
  await using database = await throwAwayDatabase();
  const at = new Set<string>();
  let most = 0;
  const seek = (name: string) =>
    seekLead({
      url: database.url,
      lock: 42,
      log: silentLog,
      async lead() {
        at.add(name);
        most = Math.max(most, at.size);
        return async () => void at.delete(name);
      },
    });
  const seekers = ["a", "b", "c"].map(seek);
  try {
    while (at.size === 0) await pause(5);
    const [first] = at;
    await seekers[["a", "b", "c"].indexOf(first ?? "")]?.stop();
    while (at.size === 0) await pause(5);
    const [second] = at;
    assert.notEqual(second, first);
    const admin = new pg.Client({ connectionString: database.url });
    await admin.connect();
    await admin.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tenfold leader' and datname = current_database()",
    );
    await admin.end();
    while (at.has(second ?? "")) await pause(5);
    while (at.size === 0) await pause(5);
    assert.equal(most, 1);
  } finally {
    for (const seeker of seekers) await seeker.stop();
  }
  assert.equal(at.size, 0);
});
