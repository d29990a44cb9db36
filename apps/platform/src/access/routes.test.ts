import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { api, may, permissions, type Role, roles } from "@tenfold/contracts";
import { createHttp, guarded } from "../kernel/http/index.ts";
import { silentLog } from "../kernel/log.ts";
import { testDatabase } from "../kernel/testing.ts";
import { accessRoutes, createAccess, systemActor } from "./index.ts";

async function world() {
  const database = await testDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), "tenfold-access-"));
  const access = createAccess({ db: database.db, clock: { now: () => Date.UTC(2026, 10, 22) }, log: silentLog });
  const app = await createHttp({ log: silentLog, authenticate: access.authenticate, version: "0.0.0", answers: "validate" });
  accessRoutes(app, { access });
  for (const permission of permissions) app.get(`/api/v1/probe/${permission}`, guarded(permission), async () => ({ ok: true }));
  const { tokenFile, setUpUrl = "" } = await access.bootstrap({ dataDir, baseUrl: "http://localhost" });
  const admin = { authorization: `Bearer ${(await readFile(tokenFile, "utf8")).trim()}` };
  return {
    access,
    app,
    admin,
    setUpToken: setUpUrl.split("#")[1] ?? "",
    async [Symbol.asyncDispose]() {
      await app.close();
      await database[Symbol.asyncDispose]();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

test("every permission is refused to nobody, and open to exactly the roles that the table names", async () => {
  await using here = await world();
  const headersOf = new Map<Role, { authorization: string }>();
  for (const role of roles)
    headersOf.set(role, {
      authorization: `Bearer ${(await here.access.createServiceAccount({ fleet: "main" }, { name: role, role, actor: systemActor })).token}`,
    });
  for (const permission of permissions) {
    const url = `/api/v1/probe/${permission}`;
    assert.equal((await here.app.inject({ url })).statusCode, 401, `${permission} for nobody`);
    for (const [role, headers] of headersOf)
      assert.equal(
        (await here.app.inject({ url, headers })).statusCode,
        may(role, permission) ? 200 : 403,
        `${permission} for ${role}`,
      );
  }
});

test("only access.write may make accounts and links, only audit.read may read the trail", () => {
  assert.deepEqual(
    [
      api.createServiceAccount,
      api.revokeServiceAccount,
      api.createSignInLink,
      api.listAudit,
      api.verifyAudit,
      api.listServiceAccounts,
    ].map(({ permission }) => permission),
    ["access.write", "access.write", "access.write", "audit.read", "audit.read", "access.read"],
  );
  assert.deepEqual(
    roles.filter((role) => may(role, "access.write")),
    ["admin"],
  );
});

test("a person comes in by the set-up link, is recognised by a cookie that scripts cannot read, and goes out again", async () => {
  await using here = await world();
  const nobody = (await here.app.inject({ url: "/api/v1/session" })).json();
  assert.deepEqual(nobody, { actor: null, role: null, permissions: [], setUpNeeded: true });
  const entered = await here.app.inject({
    method: "POST",
    url: "/api/v1/session",
    payload: { token: here.setUpToken, name: "Ada" },
  });
  assert.equal(entered.statusCode, 200);
  const setCookie = String(entered.headers["set-cookie"]);
  for (const attribute of ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"])
    assert.ok(setCookie.includes(attribute), `${attribute} in ${setCookie}`);
  const cookie = setCookie.split(";")[0] ?? "";
  const known = (await here.app.inject({ url: "/api/v1/session", headers: { cookie } })).json();
  assert.deepEqual(
    [known.actor.name, known.role, known.setUpNeeded, known.permissions.length],
    ["Ada", "admin", false, permissions.length],
  );
  const fromElsewhere = await here.app.inject({
    method: "DELETE",
    url: "/api/v1/session",
    headers: { cookie, origin: "http://evil.example" },
  });
  assert.deepEqual([fromElsewhere.statusCode, fromElsewhere.json().code], [403, "origin_refused"]);
  assert.equal(
    (
      await here.app.inject({
        method: "DELETE",
        url: "/api/v1/session",
        headers: { cookie, host: "localhost", origin: "http://localhost" },
      })
    ).statusCode,
    200,
  );
  assert.equal((await here.app.inject({ url: "/api/v1/session", headers: { cookie } })).json().actor, null);
});

test("an account is made, listed without its token, revoked, and all of it stands in the trail", async () => {
  await using here = await world();
  const made = await here.app.inject({
    method: "POST",
    url: "/api/v1/service-accounts",
    headers: here.admin,
    payload: { name: "ci", role: "viewer" },
  });
  assert.equal(made.statusCode, 201);
  const { id, token } = made.json();
  const listed = await here.app.inject({ url: "/api/v1/service-accounts", headers: here.admin });
  assert.ok(!listed.body.includes(token));
  assert.equal(
    (await here.app.inject({ method: "POST", url: `/api/v1/service-accounts/${id}/revoke`, headers: here.admin })).statusCode,
    200,
  );
  assert.equal((await here.app.inject({ url: "/api/v1/session", headers: { authorization: `Bearer ${token}` } })).statusCode, 401);
  const trail = (await here.app.inject({ url: `/api/v1/audit?subject=${id}`, headers: here.admin })).json();
  assert.deepEqual(
    trail.items.map(({ action }: { action: string }) => action),
    ["service_account.revoked", "service_account.created"],
  );
  const verdict = (await here.app.inject({ url: "/api/v1/audit/verify", headers: here.admin })).json();
  assert.deepEqual([verdict.intact, verdict.entries], [true, 3]);
});

test("the trail is read page by page", async () => {
  await using here = await world();
  for (const name of ["a", "b", "c", "d"])
    await here.access.createServiceAccount({ fleet: "main" }, { name, role: "viewer", actor: systemActor });
  const seen: number[] = [];
  for (let cursor: string | undefined = ""; cursor !== undefined; ) {
    const page: { items: { seq: number }[]; nextCursor?: string } = (
      await here.app.inject({ url: `/api/v1/audit?limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`, headers: here.admin })
    ).json();
    seen.push(...page.items.map(({ seq }) => seq));
    cursor = page.nextCursor;
  }
  assert.deepEqual(seen, [5, 4, 3, 2, 1]);
  assert.equal((await here.app.inject({ url: "/api/v1/audit?cursor=x", headers: here.admin })).json().code, "cursor_invalid");
});

test("an administrator invites others by a link of the address they asked at", async () => {
  await using here = await world();
  const answer = await here.app.inject({
    method: "POST",
    url: "/api/v1/sign-in-links",
    headers: { ...here.admin, host: "fleet.example:8080" },
    payload: { name: "Grace", role: "viewer" },
  });
  assert.equal(answer.statusCode, 201);
  assert.match(answer.json().url, /^http:\/\/fleet\.example:8080\/signin#tfl_/);
});
