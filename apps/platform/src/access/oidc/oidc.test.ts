import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { defaultScope } from "@tenfold/base";
import { api, createClient } from "@tenfold/contracts";
import fc from "fast-check";
import { SignJWT, UnsecuredJWT } from "jose";
import { sql } from "kysely";
import { createHttp, silentLog } from "../../kernel/index.ts";
import { testDatabase } from "../../kernel/testing.ts";
import { accessRoutes, createAccess, systemActor } from "../index.ts";
import { gitHubClaims, gitLabClaims, startIssuer } from "./testing.ts";
import { chooseTrust, fits, type Trust } from "./trust.ts";

const who = { scope: defaultScope, actor: systemActor };

/** The platform's access over HTTP, and an issuer beside it. */
async function oidcWorld() {
  const database = await testDatabase();
  const issuer = await startIssuer();
  let ahead = 0;
  const clock = { now: () => Date.now() + ahead };
  const access = createAccess({ db: database.db, clock, log: silentLog, cooldownMs: 0 });
  const app = await createHttp({
    log: silentLog,
    version: "test",
    answers: "validate",
    authenticate: (request) => access.authenticate(request),
  });
  accessRoutes(app, { access });
  const url = await app.listen({ port: 0, host: "127.0.0.1" });
  const exchange = async (token: string, more: Record<string, string> = {}) => {
    const body = new URLSearchParams({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token: token,
      subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
      ...more,
    });
    const answer = await fetch(`${url}/api/v1/token`, { method: "POST", body });
    return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Record<string, string | number> };
  };
  const trust = (over: Partial<Parameters<typeof access.createOidcTrust>[1]> = {}) =>
    access.createOidcTrust(who, {
      name: "pump",
      issuer: issuer.url,
      audience: "https://fleet.example",
      conditions: { repository: ["acme/pump"], ref: ["refs/tags/v*"], environment: ["production"] },
      role: "release_manager",
      tokenLifetimeS: 900,
      ...over,
    });
  return {
    access,
    issuer,
    url,
    trust,
    exchange,
    /** What is answered to this token, in one word or the reason. */
    verdict: async (token: string) => {
      const { status, body } = await exchange(token);
      return status === 200 ? "let in" : String(body.detail);
    },
    pass: (ms: number) => {
      ahead += ms;
    },
    whoIs: (token: string) => createClient({ baseUrl: url, token }).call(api.whoAmI, {}),
    /** The audit trail, oldest first. */
    trail: async () =>
      (
        await sql<{
          action: string;
          detail: Record<string, unknown>;
        }>`select action, detail from access.audit_entry order by seq`.execute(database.db)
      ).rows,
    async [Symbol.asyncDispose]() {
      await app.close();
      await issuer[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

test("a job of the trusted repository gets a short-lived token with the trust's role, and the audit trail knows the run", async () => {
  await using w = await oidcWorld();
  await w.trust();
  const { status, body, headers } = await w.exchange(await w.issuer.tokenFor(gitHubClaims()));
  assert.deepEqual(
    [status, body.token_type, body.expires_in, body.scope, body.issued_token_type, headers.get("cache-control")],
    [200, "Bearer", 900, "release_manager", "urn:ietf:params:oauth:token-type:access_token", "no-store"],
  );
  const seen = await w.whoIs(String(body.access_token));
  assert.deepEqual([seen.role, seen.actor?.name], ["release_manager", "pump (acme/pump@refs/tags/v2.0.0)"]);
  const [entry] = (await w.trail()).filter(({ action }) => action === "token.exchanged");
  assert.match(JSON.stringify(entry?.detail), /"run_id":"4711"/);
  assert.ok(!JSON.stringify(entry).includes(String(body.access_token)), "no token in the trail");
  w.pass(901_000);
  await assert.rejects(w.whoIs(String(body.access_token)), { code: "token_invalid" });
});

test("GitLab's claims are claims like others", async () => {
  await using w = await oidcWorld();
  await w.trust({ name: "valve", conditions: { project_path: ["acme/valve"], ref: ["main"], ref_protected: ["true"] } });
  assert.equal(await w.verdict(await w.issuer.tokenFor(gitLabClaims())), "let in");
  assert.match(
    await w.verdict(await w.issuer.tokenFor(gitLabClaims({ ref: "topic", ref_protected: "false" }))),
    /ref must be main, and is "topic"/,
  );
});

test("a token of another repository, ref, environment or audience is refused, and told which claim it was", async () => {
  await using w = await oidcWorld();
  await w.trust();
  const of = async (over: Record<string, unknown>) => w.verdict(await w.issuer.tokenFor(gitHubClaims(over)));
  assert.match(await of({ repository: "acme/pump-fork" }), /repository must be acme\/pump, and is "acme\/pump-fork"/);
  assert.match(await of({ ref: "refs/heads/main" }), /ref must be refs\/tags\/v\*, and is "refs\/heads\/main"/);
  assert.match(await of({ environment: undefined }), /environment must be production, and is nothing/);
  assert.match(await of({ repository: ["acme/pump"] }), /repository must be acme\/pump, and is nothing/);
  assert.match(await of({ aud: "https://other.example" }), /for https:\/\/other\.example, and no trust/);
  assert.equal((await w.exchange(await w.issuer.tokenFor(gitHubClaims({ ref: "x" })))).body.error, "invalid_grant");
});

test("what the issuer did not sign, or signed too long ago, is refused whatever it says", async () => {
  await using w = await oidcWorld();
  await w.trust();
  await using other = await startIssuer();
  assert.match(await w.verdict(await other.tokenFor(gitHubClaims())), /No trust names the issuer/);
  const claims = { ...gitHubClaims(), iss: w.issuer.url, exp: Math.floor(Date.now() / 1_000) + 300 };
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const [key] = w.issuer.keys();
  const forge = (header: { alg: string; kid?: string }, secret: Parameters<SignJWT["sign"]>[0]) =>
    new SignJWT(claims).setProtectedHeader(header).sign(secret);
  assert.match(await w.verdict(await forge({ alg: "RS256", kid: key?.kid ?? "" }, privateKey)), /signature does not hold/);
  assert.match(await w.verdict(await forge({ alg: "RS256", kid: "unknown" }, privateKey)), /key that .* does not have/);
  // [RFC 8725 2.1] A public key must not be taken for a shared secret.
  assert.match(await w.verdict(await forge({ alg: "HS256", kid: key?.kid ?? "" }, Buffer.from(String(key?.n)))), /algorithm/);
  assert.match(await w.verdict(new UnsecuredJWT(claims).encode()), /algorithm|no signed/);
  assert.match(await w.verdict("e30.e30.e30"), /no JSON Web Token|no issuer/);
  const late = await w.issuer.tokenFor(gitHubClaims());
  w.pass(331_000);
  assert.match(await w.verdict(late), /expired/);
});

test("keys are fetched once and remembered, and after a rotation fetched again", async () => {
  await using w = await oidcWorld();
  await w.trust();
  for (let i = 0; i < 5; i++) await w.verdict(await w.issuer.tokenFor(gitHubClaims()));
  const fetched = () => w.issuer.requests().filter((path) => path.startsWith("/jwks")).length;
  assert.equal(fetched(), 1);
  const before = await w.issuer.tokenFor(gitHubClaims());
  await w.issuer.rotate();
  assert.equal(await w.verdict(await w.issuer.tokenFor(gitHubClaims())), "let in");
  assert.equal(fetched(), 2);
  assert.match(await w.verdict(before), /does not have/, "what the old key signed is over with the old key");
});

test("one token can be exchanged only so often", async () => {
  await using w = await oidcWorld();
  await w.trust();
  const token = await w.issuer.tokenFor(gitHubClaims());
  for (let i = 0; i < 20; i++) assert.equal(await w.verdict(token), "let in");
  const { body } = await w.exchange(token);
  assert.deepEqual([body.code, body.error], ["oidc_token_spent", "invalid_grant"]);
});

test("an issuer that is away is 503, not a refusal", async () => {
  await using w = await oidcWorld();
  await w.trust();
  const token = await w.issuer.tokenFor(gitHubClaims());
  await w.issuer[Symbol.asyncDispose]();
  const { status, body } = await w.exchange(token);
  assert.deepEqual([status, body.code], [503, "oidc_issuer_unreachable"]);
});

test("with a trust's revocation its tokens stop at once, and its name is free again", async () => {
  await using w = await oidcWorld();
  await w.trust();
  await assert.rejects(w.trust(), { code: "oidc_trust_exists" });
  const token = String((await w.exchange(await w.issuer.tokenFor(gitHubClaims()))).body.access_token);
  await w.access.revokeOidcTrust(who, "pump");
  await assert.rejects(w.whoIs(token), { code: "token_invalid" });
  assert.match(await w.verdict(await w.issuer.tokenFor(gitHubClaims())), /No trust names/);
  await w.trust();
  assert.ok((await w.access.revokeOidcTrust(who, "pump")).revokedAt);
  await assert.rejects(w.access.revokeOidcTrust(who, "nobody"), { code: "oidc_trust_unknown" });
});

test("a trust that would let in strangers cannot be made", async () => {
  await using w = await oidcWorld();
  const gitHub = "https://token.actions.githubusercontent.com";
  const wide = (over: object) => assert.rejects(w.trust(over), { code: "oidc_trust_too_wide", field: "conditions" });
  await wide({ conditions: {} });
  await wide({ conditions: { sub: ["*"] } });
  await wide({ issuer: gitHub, conditions: { ref: ["refs/heads/main"] } });
  await wide({ issuer: gitHub, conditions: { repository: ["*/pump"] } });
  await wide({ issuer: "https://gitlab.com", conditions: { environment: ["production"] } });
  await assert.rejects(w.trust({ issuer: "http://ci.example" }), { code: "oidc_issuer_invalid" });
  await w.trust({ issuer: gitHub, conditions: { repository: ["acme/*"] } });
});

test("a request that is no token exchange is told what one looks like", async () => {
  await using w = await oidcWorld();
  const { status, body } = await w.exchange("x", { grant_type: "password" });
  assert.deepEqual([status, body.error, body.field], [400, "invalid_request", "body.grant_type"]);
  const json = await fetch(`${w.url}/api/v1/token`, {
    method: "POST",
    body: "{}",
    headers: { "content-type": "application/json" },
  });
  assert.equal(json.status, 415);
});

test("of several trusts that fit the one that may least is chosen, unless a role is asked for", () => {
  const base: Trust = {
    id: "b",
    fleet: "main",
    name: "b",
    issuer: "i",
    audience: "us",
    conditions: { sub: ["x"] },
    role: "release_manager",
    tokenLifetimeS: 60,
    createdAt: 0,
  };
  const trusts = [base, { ...base, id: "a", role: "viewer" as const }, { ...base, id: "c", role: "admin" as const }];
  const chosen = (role?: string) => {
    const choice = chooseTrust(trusts, { aud: ["us", "them"], sub: "x" }, role);
    return choice.is === "trusted" ? choice.trust.role : choice.is;
  };
  assert.deepEqual([chosen(), chosen("admin"), chosen("operator")], ["viewer", "admin", "refused"]);
});

test("a pattern fits as a shell's would, and a pattern without a star only itself", () => {
  for (const [pattern, value, yes] of [
    ["refs/tags/v*", "refs/tags/v1", true],
    ["refs/tags/v*", "refs/tags/x/refs/tags/v1", false],
    ["a*b*c", "abc", true],
    ["a*b*c", "acb", false],
    ["ab*ba", "aba", false],
    ["*", "", true],
    ["a.c", "abc", false],
  ] as const)
    assert.equal(fits(pattern, value), yes, `${pattern} ${value}`);
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 8 });
  fc.assert(
    fc.property(letters, fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 8 }), (pattern, value) => {
      assert.equal(fits(pattern, value), new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(value));
    }),
  );
});
