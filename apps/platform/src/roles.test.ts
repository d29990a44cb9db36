import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "./config.ts";
import { dutiesOf, type Role } from "./roles.ts";

const shared = { TENFOLD_DATABASE_URL: "postgresql://db/tenfold", TENFOLD_CLICKHOUSE_URL: "http://ch:8123" };
const read = (roles: string, env: Record<string, string> = {}) => readConfig({ env, flags: { roles } });

test("a process does everything unless told otherwise, and needs nothing for it", () => {
  assert.deepEqual(readConfig({ env: {} }).roles, ["api", "links", "intake", "loops"]);
});

test("roles come from the flag, the environment and the file, in any order and once", () => {
  const env = {
    ...shared,
    TENFOLD_NATS_URL: "nats://n",
    TENFOLD_S3_BUCKET: "artifacts",
    TENFOLD_S3_ACCESS_KEY: "k",
    TENFOLD_S3_SECRET: "s",
  };
  assert.deepEqual(read("loops,api", env).roles, ["api", "loops"]);
  assert.deepEqual(readConfig({ env: { ...env, TENFOLD_ROLES: "links, links" } }).roles, ["links"]);
  const file = { path: "t.yaml", text: "roles: [intake]\n" };
  assert.deepEqual(readConfig({ env, file }).roles, ["intake"]);
  assert.throws(() => read("link", env), {
    code: "config_invalid",
    message: /"link" is not a role; there are api, links, intake, loops/,
  });
});

test("what a combination lacks is refused with the setting's name and the fix", () => {
  const missing: [string, Record<string, string>, string, RegExp][] = [
    ["", {}, "roles", /Name some of/],
    ["links", {}, "database.url", /TENFOLD_DATABASE_URL/],
    ["api,links,intake", { TENFOLD_DATABASE_URL: "postgresql://db" }, "clickhouse.url", /TENFOLD_CLICKHOUSE_URL/],
    ["links", shared, "nats.url", /TENFOLD_NATS_URL, or give this process both/],
    ["intake", shared, "nats.url", /TENFOLD_NATS_URL/],
    ["links,intake,loops", shared, "s3.bucket", /TENFOLD_S3_BUCKET.*TENFOLD_BLOBS_DIR/],
    ["api,links,intake,loops", { TENFOLD_S3_BUCKET: "artifacts" }, "s3.access.key", /TENFOLD_S3_SECRET_FILE/],
    [
      "api,links,intake,loops",
      {
        TENFOLD_S3_BUCKET: "artifacts",
        TENFOLD_S3_ACCESS_KEY: "k",
        TENFOLD_S3_SECRET: "s",
        TENFOLD_ARTIFACT_MAX_BYTES: "6000000000",
      },
      "artifact.max.bytes",
      /TENFOLD_ARTIFACT_MAX_BYTES/,
    ],
  ];
  for (const [roles, env, field, fix] of missing)
    assert.throws(
      () => read(roles, env),
      (error: Error & { code?: string; field?: string; fix?: string }) =>
        error.code === "role_needs" &&
        error.field === field &&
        fix.test(error.fix ?? "") &&
        error.message.includes(`--roles ${roles}`),
      `${roles} without ${field}`,
    );
});

test("links need no telemetry store, and two whole servers on one database need no NATS", () => {
  const { TENFOLD_DATABASE_URL } = shared;
  assert.deepEqual(read("links", { TENFOLD_DATABASE_URL, TENFOLD_NATS_URL: "nats://n", TENFOLD_BLOBS_DIR: "/mnt/blobs" }).roles, [
    "links",
  ]);
  assert.deepEqual(readConfig({ env: shared }).roles.length, 4);
});

test("the authority's keys live with people's door and not with the devices', unless it is said otherwise", () => {
  const env = {
    ...shared,
    TENFOLD_NATS_URL: "nats://n",
    TENFOLD_S3_BUCKET: "artifacts",
    TENFOLD_S3_ACCESS_KEY: "k",
    TENFOLD_S3_SECRET: "s",
  };
  const keeps = (roles: string, more: Record<string, string> = {}) => dutiesOf(read(roles, { ...env, ...more })).authority;
  assert.deepEqual([keeps("api,loops"), keeps("links"), keeps("intake"), keeps("loops")], ["keep", "ask", "ask", "ask"]);
  assert.equal(keeps("api", { TENFOLD_AUTHORITY: "ask" }), "ask");
  const roles: readonly Role[] = read("links", env).roles;
  assert.deepEqual(roles, ["links"]);
});
