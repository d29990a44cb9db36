import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { defaultScope, hours } from "@tenfold/base";
import { sql } from "kysely";
import { silentLog } from "../kernel/log.ts";
import { testDatabase } from "../kernel/testing.ts";
import { type Asking, createAccess, systemActor } from "./index.ts";

const began = Date.UTC(2026, 10, 22);

async function world() {
  const database = await testDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), "tenfold-access-"));
  let now = began;
  const { db } = database;
  const access = createAccess({ db, clock: { now: () => now }, log: silentLog });
  return {
    db,
    access,
    dataDir,
    pass: (length: number) => {
      now += length;
    },
    bootstrap: () => access.bootstrap({ dataDir, baseUrl: "http://127.0.0.1:8080" }),
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

const asking = (headers: Asking["headers"], method = "GET"): Asking => ({
  method,
  ip: "127.0.0.1",
  headers: { host: "127.0.0.1:8080", ...headers },
});
const bearing = (token: string) => asking({ authorization: `Bearer ${token}` });
const wearing = (secret: string, more: Asking["headers"] = {}, method = "GET") =>
  asking({ cookie: `theme=dark; tenfold_session=${secret}`, ...more }, method);

test("the first start makes an admin token that only its owner may read, and the next start keeps it", async () => {
  await using here = await world();
  const { tokenFile } = await here.bootstrap();
  const token = (await readFile(tokenFile, "utf8")).trim();
  assert.match(token, /^tf_[A-Za-z0-9_-]{43}$/);
  assert.equal((await stat(tokenFile)).mode & 0o777, 0o600);
  assert.equal((await here.access.authenticate(bearing(token)))?.role, "admin");
  await here.bootstrap();
  assert.equal((await readFile(tokenFile, "utf8")).trim(), token);
});

test("an admin token file that is missing or wrong gets a new token, and the old one dies", async () => {
  await using here = await world();
  const { tokenFile } = await here.bootstrap();
  const first = (await readFile(tokenFile, "utf8")).trim();
  await rm(tokenFile);
  await here.bootstrap();
  const second = (await readFile(tokenFile, "utf8")).trim();
  await assert.rejects(here.access.authenticate(bearing(first)), { code: "token_invalid" });
  assert.equal((await here.access.authenticate(bearing(second)))?.actor.name, "admin");
  await writeFile(tokenFile, "tf_nonsense\n");
  await here.bootstrap();
  await assert.rejects(here.access.authenticate(bearing(second)), { code: "token_invalid" });
});

test("a service account's token works until it is revoked, and no part of it is stored", async () => {
  await using here = await world();
  const made = await here.access.createServiceAccount(defaultScope, { name: "ci", role: "release_manager", actor: systemActor });
  const identity = await here.access.authenticate(bearing(made.token));
  assert.deepEqual(identity, {
    actor: { kind: "service_account", id: made.id, name: "ci" },
    role: "release_manager",
    scope: defaultScope,
  });
  const { rows } = await sql<{
    text: string;
  }>`select row_to_json(account)::text as text from access.service_account account`.execute(here.db);
  assert.ok(rows.every(({ text }) => !text.includes(made.token.slice(3, 20))));
  await here.access.revokeServiceAccount(defaultScope, { id: made.id, actor: systemActor });
  await assert.rejects(here.access.authenticate(bearing(made.token)), { code: "token_invalid", status: 401 });
  await assert.rejects(here.access.revokeServiceAccount({ fleet: "other" }, { id: made.id, actor: systemActor }), {
    code: "service_account_unknown",
  });
});

test("nobody is nobody, and what is not a token is refused", async () => {
  await using here = await world();
  assert.equal(await here.access.authenticate(asking({})), undefined);
  assert.equal(await here.access.authenticate(wearing("tfs_unknown")), undefined);
  for (const authorization of [
    "",
    "Basic dXNlcjpwdw==",
    "Bearer",
    "Bearer tf_",
    `Bearer tf_${"a".repeat(43)}`,
    `Bearer tf_${"a".repeat(5_000)}`,
  ]) {
    await assert.rejects(
      here.access.authenticate(asking({ authorization })),
      { code: "token_invalid" },
      authorization.slice(0, 20),
    );
  }
});

test("whoever tries many tokens is told to wait", async () => {
  await using here = await world();
  for (let i = 0; i < 30; i++)
    await assert.rejects(here.access.authenticate(bearing(`tf_${String(i).padStart(43, "0")}`)), { code: "token_invalid" });
  await assert.rejects(here.access.authenticate(bearing(`tf_${"x".repeat(43)}`)), { code: "too_many_requests", retryAfterS: 60 });
});

test("the set-up link makes the first administrator once, and is not offered again", async () => {
  await using here = await world();
  const { setUpUrl = "" } = await here.bootstrap();
  const [page, token = ""] = setUpUrl.split("#");
  assert.equal(page, "http://127.0.0.1:8080/setup");
  const signedIn = await here.access.redeemSignInLink({ token, name: "Ada", address: "127.0.0.1" });
  assert.equal(signedIn.actor.name, "Ada");
  assert.equal((await here.access.authenticate(wearing(signedIn.secret)))?.role, "admin");
  await assert.rejects(here.access.redeemSignInLink({ token, name: "Eve", address: "127.0.0.1" }), {
    code: "link_invalid",
    status: 410,
  });
  assert.equal((await here.bootstrap()).setUpUrl, undefined);
});

test("a start without an administrator withdraws the set-up link of the start before", async () => {
  await using here = await world();
  const first = (await here.bootstrap()).setUpUrl?.split("#")[1] ?? "";
  const second = (await here.bootstrap()).setUpUrl?.split("#")[1] ?? "";
  await assert.rejects(here.access.redeemSignInLink({ token: first, name: "Eve", address: "127.0.0.1" }), { code: "link_invalid" });
  await here.access.redeemSignInLink({ token: second, name: "Ada", address: "127.0.0.1" });
});

test("of ten who use one link at the same time, one gets in", async () => {
  await using here = await world();
  const { token } = await here.access.createSignInLink(defaultScope, { name: "Grace", role: "viewer", actor: systemActor });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 10 }, () => here.access.redeemSignInLink({ token, name: undefined, address: "127.0.0.1" })),
  );
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
});

test("a link is dead after a day", async () => {
  await using here = await world();
  const { token } = await here.access.createSignInLink(defaultScope, { name: "Grace", role: "viewer", actor: systemActor });
  here.pass(hours(24));
  await assert.rejects(here.access.redeemSignInLink({ token, name: undefined, address: "127.0.0.1" }), { code: "link_invalid" });
});

test("a session goes on while it is used, ends when it is not, and ends at once by signing out", async () => {
  await using here = await world();
  const enter = async () => {
    const { token } = await here.access.createSignInLink(defaultScope, { name: "Grace", role: "operator", actor: systemActor });
    return (await here.access.redeemSignInLink({ token, name: undefined, address: "127.0.0.1" })).secret;
  };
  const secret = await enter();
  for (let i = 0; i < 3; i++) {
    here.pass(hours(11));
    assert.equal((await here.access.authenticate(wearing(secret)))?.actor.name, "Grace");
  }
  here.pass(hours(12));
  assert.equal(await here.access.authenticate(wearing(secret)), undefined);
  const another = await enter();
  await here.access.signOut(wearing(another));
  assert.equal(await here.access.authenticate(wearing(another)), undefined);
});

test("a cookie changes nothing for a page of another host", async () => {
  await using here = await world();
  const { token } = await here.access.createSignInLink(defaultScope, { name: "Grace", role: "operator", actor: systemActor });
  const { secret } = await here.access.redeemSignInLink({ token, name: undefined, address: "127.0.0.1" });
  await assert.rejects(here.access.authenticate(wearing(secret, { origin: "http://evil.example" }, "POST")), {
    code: "origin_refused",
    status: 403,
  });
  assert.equal((await here.access.authenticate(wearing(secret, { origin: "http://127.0.0.1:8080" }, "POST")))?.role, "operator");
});
