import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { defaultScope } from "@tenfold/base";
import { addSignature, generateSigningKey, readPrivateKey, signRelease } from "@tenfold/ota";
import fastify from "fastify";
import { sql } from "kysely";
import { createAccess, systemActor } from "../access/index.ts";
import { answerProblem, createHttp, type DeviceHttp, httpProblems, openBlobs, silentLog } from "../kernel/index.ts";
import { testDatabase } from "../kernel/testing.ts";
import { createReleases } from "./index.ts";
import { portionOf } from "./range.ts";

const bytes = Buffer.from("the firmware of a pump, 40 bytes long ...");
const sha256 = createHash("sha256").update(bytes).digest("hex");
const scope = defaultScope;

async function releasesWorld() {
  const database = await testDatabase();
  const folder = await mkdtemp(join(tmpdir(), "tenfold-releases-"));
  const { db } = database;
  // Moves on by a millisecond at each look, so that what was made later sorts as newer.
  let at = Date.UTC(2026, 3, 1);
  const clock = { now: () => at++ };
  const access = createAccess({ db, clock, log: silentLog });
  const releases = createReleases({
    db,
    blobs: await openBlobs(join(folder, "blobs")),
    parts: await openBlobs(join(folder, "parts")),
    log: silentLog,
    uploadQuotaBytes: 1_000,
    uploadLifetimeMs: 60_000,
    audit: access.audit,
    clock,
    maxArtifactBytes: 100,
    checks: { everyMs: 1_000_000_000, bytesPerSecond: 1_000_000 },
    standing: async () => ({ is: "no_repository" }),
    // The TLS of the real endpoint is tested with enrollment; here a header says who is let in.
    admitRequest: async (request) => {
      if (request.headers["x-device"] === undefined) throw httpProblems.not_signed_in("This needs a device certificate.");
      return { device: String(request.headers["x-device"]), scope: { fleet: String(request.headers["x-fleet"] ?? scope.fleet) } };
    },
    firmwareInUse: async () => [{ version: "1.0.0", hash: sha256, devices: 7 }],
  });
  const roles = new Map([
    ["manager", "release_manager"],
    ["viewer", "viewer"],
  ] as const);
  const app = await createHttp({
    log: silentLog,
    version: "test",
    answers: "validate",
    authenticate: async (request) => {
      const role = roles.get(request.headers.authorization as "manager");
      return role && { actor: systemActor, role, scope };
    },
  });
  releases.routes(app);
  const device = fastify();
  device.setErrorHandler(answerProblem(silentLog));
  // Everything but TLS is the device endpoint's.
  releases.deviceRoutes(device as unknown as DeviceHttp);
  const call = async (method: "GET" | "POST" | "PUT" | "HEAD" | "PATCH", url: string, body?: unknown, as = "manager") => {
    const payload =
      body === undefined
        ? {}
        : Buffer.isBuffer(body)
          ? { payload: body, headers: { "content-type": "application/octet-stream" } }
          : { payload: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const response = await app.inject({
      method,
      url: `/api/v1${url}`,
      ...payload,
      headers: { authorization: as, ...payload.headers },
    });
    return { status: response.statusCode, headers: response.headers, body: response.body ? JSON.parse(response.body) : undefined };
  };
  return {
    db,
    call,
    releases,
    download: (headers: Record<string, string> = {}, method: "GET" | "HEAD" = "GET") =>
      device.inject({ method, url: `/v1/artifacts/${sha256}`, headers: { "x-device": "pump-1", ...headers } }),
    /** What the audit trail says was done to something, oldest first. */
    actions: async (subject: string) =>
      (
        await sql<{ action: string }>`select action from access.audit_entry where subject_id = ${subject} order by seq`.execute(db)
      ).rows.map(({ action }) => action),
    /** Where the artifact's bytes lie. */
    file: join(folder, "blobs", sha256.slice(0, 2), sha256),
    upload: (content = bytes, as?: string) => call("PUT", `/artifacts/${sha256}`, content, as),
    async [Symbol.asyncDispose]() {
      await app.close();
      await device.close();
      await database[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const signer = generateSigningKey();
const signed = (version: string, over = {}) =>
  signRelease(
    {
      type: "tenfold.release.v1",
      name: "pump",
      version,
      models: [],
      artifact: { sha256, size: bytes.length },
      signedAt: "2026-04-01T00:00:00Z",
      ...over,
    },
    readPrivateKey(signer.privateKeyPem),
  );

test("an artifact is taken in once, however often it is sent, and never under a hash that is not its own", async () => {
  await using w = await releasesWorld();
  assert.deepEqual([(await w.upload()).status, (await w.upload()).status], [201, 200]);
  const other = await w.call("PUT", `/artifacts/${"ab".repeat(32)}`, bytes);
  assert.deepEqual([other.status, other.body.code], [422, "blob_hash_mismatch"]);
  const large = await w.call("PUT", `/artifacts/${"cd".repeat(32)}`, Buffer.alloc(101));
  assert.deepEqual([large.status, large.body.code === "blob_too_large" || large.body.code === "body_too_large"], [413, true]);
  assert.equal((await w.call("PUT", "/artifacts/..%2f..%2fetc", bytes)).body.code, "artifact_hash_invalid");
  assert.equal((await w.upload(bytes, "viewer")).status, 403);
  assert.equal((await w.upload(bytes, "nobody")).status, 401);
});

test("a release is made by a signature that a registered key gave, and by nothing else", async () => {
  await using w = await releasesWorld();
  const create = (version: string, over = {}) => w.call("POST", "/releases", { envelope: signed(version, over) });
  assert.equal((await create("1.0.0")).body.code, "release_untrusted");
  const key = await w.call("POST", "/signing-keys", { name: "ci", publicKeyPem: signer.publicKeyPem });
  assert.deepEqual([key.status, key.body.keyid], [201, signer.keyid]);
  assert.equal(
    (await w.call("POST", "/signing-keys", { name: "ci again", publicKeyPem: signer.publicKeyPem })).body.code,
    "signing_key_exists",
  );
  assert.equal((await create("1.0.0")).body.code, "artifact_unknown");
  await w.upload();
  assert.equal((await create("1.0.0", { artifact: { sha256, size: 3 } })).body.code, "artifact_size_mismatch");
  const made = await create("1.0.0");
  assert.deepEqual([made.status, made.body.devices, made.body.signedBy], [201, 7, [signer.keyid]]);
  assert.equal((await create("1.0.0")).body.id, made.body.id, "the same again is the same release");
  const signedLater = await create("1.0.0", { signedAt: "2026-05-01T00:00:00Z" });
  assert.equal(signedLater.body.id, made.body.id, "a pipeline that runs again signs again, and that is no other release");
  assert.deepEqual(signedLater.body.envelope, made.body.envelope, "what was registered first stands");
  const other = await create("1.0.0", { models: ["pump-3"] });
  assert.deepEqual([other.status, other.body.code], [409, "release_exists"]);
  const { envelope } = made.body;
  const forged = { ...envelope, signed: { ...envelope.signed, version: "6.6.6" } };
  assert.equal((await w.call("POST", "/releases", { envelope: forged })).body.code, "release_untrusted");
});

test("what a revoked key alone signed can be rolled out no more, and what another key signed too still can", async () => {
  await using w = await releasesWorld();
  const second = generateSigningKey();
  await w.upload();
  for (const [name, { publicKeyPem }] of [
    ["one", signer],
    ["two", second],
  ] as const)
    await w.call("POST", "/signing-keys", { name, publicKeyPem });
  await w.call("POST", "/releases", { envelope: signed("1.0.0") });
  await w.call("POST", "/releases", { envelope: addSignature(signed("1.1.0"), readPrivateKey(second.privateKeyPem)) });
  const revoked = await w.call("POST", `/signing-keys/${signer.keyid}/revoke`, { reason: "left the company" });
  assert.ok(revoked.body.revokedAt);
  const usability = async (version: string) => {
    const release = await w.releases.get(w.db, scope, version);
    assert.ok(release);
    return (await w.releases.usability(w.db, scope, release)).is;
  };
  assert.deepEqual([await usability("1.0.0"), await usability("1.1.0")], ["unusable", "usable"]);
});

test("releases are found by id, version and name@version; a retired one cannot be used", async () => {
  await using w = await releasesWorld();
  await w.upload();
  await w.call("POST", "/signing-keys", { name: "ci", publicKeyPem: signer.publicKeyPem });
  const { id } = (await w.call("POST", "/releases", { envelope: signed("1.0.0") })).body;
  for (const named of [id, "1.0.0", "pump@1.0.0"]) assert.equal((await w.call("GET", `/releases/${named}`)).body.id, id, named);
  await w.call("POST", "/releases", { envelope: signed("1.0.0", { name: "valve" }) });
  assert.equal((await w.call("GET", "/releases/1.0.0")).body.code, "release_ambiguous");
  assert.equal((await w.call("GET", "/releases/2.0.0")).body.code, "release_unknown");
  const retired = (await w.call("POST", `/releases/${id}/retire`, { reason: "eats batteries" })).body;
  assert.deepEqual([retired.retired, retired.retirement.because], [true, "eats batteries"]);
  const stored = await w.releases.get(w.db, scope, id);
  assert.match(
    stored ? ((await w.releases.usability(w.db, scope, stored)) as { detail: string }).detail : "",
    /retired: eats batteries/,
  );
  const page = (await w.call("GET", "/releases?limit=1")).body;
  const rest = (await w.call("GET", `/releases?limit=1&cursor=${page.nextCursor}`)).body;
  assert.deepEqual([page.items[0].name, rest.items[0].name, rest.nextCursor], ["valve", "pump", undefined]);
});

test("a stepping stone must be registered before a release may name it", async () => {
  await using w = await releasesWorld();
  await w.upload();
  await w.call("POST", "/signing-keys", { name: "ci", publicKeyPem: signer.publicKeyPem });
  const stepped = { envelope: signed("3.0.0", { mustPassThrough: ["2.0.0"], hardwareRevisions: ["B"], minimumVersion: "1.5.0" }) };
  const refused = await w.call("POST", "/releases", stepped);
  assert.deepEqual([refused.body.code, refused.body.field], ["release_stone_unknown", "envelope.signed.mustPassThrough.0"]);
  await w.call("POST", "/releases", { envelope: signed("2.0.0") });
  const made = await w.call("POST", "/releases", stepped);
  assert.deepEqual(
    [made.status, made.body.mustPassThrough, made.body.hardwareRevisions, made.body.minimumVersion],
    [201, ["2.0.0"], ["B"], "1.5.0"],
  );
});

test("a release moves between channels at any time; its notes stand from its first rollout on", async () => {
  await using w = await releasesWorld();
  await w.upload();
  await w.call("POST", "/signing-keys", { name: "ci", publicKeyPem: signer.publicKeyPem });
  const { id } = (await w.call("POST", "/releases", { envelope: signed("1.0.0"), channel: "beta", notes: "one" })).body;
  await w.call("POST", "/releases", { envelope: signed("1.1.0") });
  const listed = async (query: string) =>
    (await w.call("GET", `/releases?${query}`)).body.items.map(({ version }: { version: string }) => version);
  assert.deepEqual([await listed("channel=beta"), await listed("channel=stable")], [["1.0.0"], ["1.1.0"]]);
  assert.deepEqual([await listed("name=pump&version=1.1.0"), await listed("retired=true")], [["1.1.0"], []]);
  const patch = (body: object) => w.call("PATCH", `/releases/${id}`, body);
  assert.equal((await patch({ notes: "two" })).body.notes, "two");
  await w.db.transaction().execute((tx) => w.releases.markUsed(tx, scope, { id, at: Date.UTC(2026, 4, 1) }));
  const refused = await patch({ notes: "three" });
  assert.deepEqual([refused.status, refused.body.code], [409, "release_in_use"]);
  const promoted = await patch({ channel: "stable", notes: "two" });
  assert.deepEqual([promoted.status, promoted.body.channel, promoted.body.usedAt], [200, "stable", "2026-05-01T00:00:00.000Z"]);
  await w.call("POST", `/releases/${id}/retire`, { reason: "by mistake" });
  assert.deepEqual(await listed("retired=true"), ["1.0.0"]);
  assert.equal((await w.call("POST", `/releases/${id}/reinstate`, { reason: "it was" })).body.retired, false);
  assert.equal((await w.call("POST", `/releases/${id}/retire`, {})).status, 422, "a retirement has a reason");
  assert.deepEqual(await w.actions(id), [
    "release.created",
    "release.changed",
    "release.changed",
    "release.retired",
    "release.reinstated",
  ]);
});

test("firmware is told apart by its bytes; by its version only where a device reports no hash", async () => {
  await using w = await releasesWorld();
  await w.upload();
  await w.call("POST", "/signing-keys", { name: "ci", publicKeyPem: signer.publicKeyPem });
  await w.call("POST", "/releases", { envelope: signed("1.0.0") });
  const found = await w.releases.running(w.db, scope, [
    { version: "anything", hash: sha256 },
    { version: "1.0.0" },
    { version: "1.0.0", hash: "ee".repeat(32) },
    { version: "9" },
  ]);
  assert.deepEqual(
    found.map((release) => release?.version),
    ["1.0.0", "1.0.0", undefined, undefined],
  );
});

test("a device reads an artifact whole, in parts, and from where it stopped", async () => {
  await using w = await releasesWorld();
  await w.upload();
  const whole = await w.download();
  assert.deepEqual(
    [whole.statusCode, whole.rawPayload.equals(bytes), whole.headers.etag, whole.headers["accept-ranges"]],
    [200, true, `"${sha256}"`, "bytes"],
  );
  const rest = await w.download({ range: "bytes=10-", "if-range": `"${sha256}"` });
  assert.deepEqual(
    [rest.statusCode, rest.headers["content-range"], rest.body],
    [206, `bytes 10-${bytes.length - 1}/${bytes.length}`, bytes.subarray(10).toString()],
  );
  assert.equal((await w.download({ range: "bytes=0-2" })).body, "the");
  assert.equal((await w.download({ range: "bytes=-3" })).body, "...");
  const behind = await w.download({ range: `bytes=${bytes.length}-` });
  assert.deepEqual([behind.statusCode, behind.headers["content-range"]], [416, `bytes */${bytes.length}`]);
  assert.equal((await w.download({ "if-none-match": `"${sha256}"` })).statusCode, 304);
  const head = await w.download({}, "HEAD");
  assert.deepEqual([head.statusCode, head.headers["content-length"], head.body], [200, String(bytes.length), ""]);
});

test("an artifact of which the disk lost a part, or which grew there, is not sent to any device, and can be uploaded anew", async () => {
  await using w = await releasesWorld();
  for (const damaged of [bytes.subarray(0, -1), Buffer.alloc(0), Buffer.concat([bytes, bytes])]) {
    await w.upload();
    await writeFile(w.file, damaged);
    const answer = await w.download();
    assert.deepEqual([answer.statusCode, answer.json().code], [404, "artifact_damaged"]);
    assert.equal((await w.upload()).status, 201);
    assert.ok((await w.download()).rawPayload.equals(bytes));
  }
});

test("an artifact in which the disk changed a bit is sent to no device, its release is handed out to nobody, and the same bytes mend it", async () => {
  await using w = await releasesWorld();
  const scope = { fleet: "main" };
  await w.upload();
  await w.call("POST", "/signing-keys", { name: "owner", publicKeyPem: signer.publicKeyPem });
  assert.equal((await w.call("POST", "/releases", { envelope: signed("1.0.0") })).status, 201);
  const usability = async () => {
    const stored = await w.releases.get(w.db, scope, "1.0.0");
    assert.ok(stored);
    return w.releases.usability(w.db, scope, stored);
  };
  const rotten = Buffer.from(bytes);
  rotten[7] = (rotten[7] ?? 0) ^ 1;
  await writeFile(w.file, rotten);
  for (const headers of [{}, { range: "bytes=0-2" }]) {
    const answer = await w.download(headers);
    assert.deepEqual([answer.statusCode, answer.json().code], [404, "artifact_damaged"]);
    assert.match(answer.json().fix, /tenfold artifact push/);
  }
  assert.equal((await w.call("HEAD", `/artifacts/${sha256}`)).status, 404);
  assert.equal((await usability()).is, "unusable");
  assert.ok((await w.call("GET", "/releases/1.0.0")).body.artifact.damagedAt);
  const [damaged] = await w.releases.damaged(w.db, scope);
  assert.deepEqual([damaged?.sha256, damaged?.releases], [sha256, ["pump 1.0.0"]]);
  assert.match(damaged?.damage ?? "", /^its \d+ bytes hash to [0-9a-f]{64}$/);
  assert.equal((await w.upload()).status, 201);
  assert.ok((await w.download()).rawPayload.equals(bytes));
  assert.deepEqual([await usability(), await w.releases.damaged(w.db, scope)], [{ is: "usable" }, []]);
  assert.deepEqual(await w.actions(sha256), ["artifact.uploaded", "artifact.mended"]);
});

test("nobody gets an artifact without being let in, and no device one of another fleet", async () => {
  await using w = await releasesWorld();
  await w.upload();
  assert.equal((await w.download({ "x-fleet": "other" })).statusCode, 404);
  const stranger = await w.call("GET", `/artifacts/${sha256}`, undefined, "nobody");
  assert.equal(stranger.status, 401);
});

test("a range that is not understood is ignored, as HTTP says, and one behind the end is refused", () => {
  const of = (range: string | undefined, ifRange?: string) =>
    portionOf({ range, ifRange, ifNoneMatch: undefined }, { sha256, size: 10 });
  for (const range of [undefined, "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b"])
    assert.deepEqual(of(range), { is: "whole" }, String(range));
  assert.deepEqual(of("bytes=0-99"), { is: "part", start: 0, end: 9 });
  assert.deepEqual(of("bytes=-99"), { is: "part", start: 0, end: 9 });
  assert.deepEqual(of("bytes=-0"), { is: "unsatisfiable" });
  assert.deepEqual(of("bytes=10-"), { is: "unsatisfiable" });
  assert.deepEqual(of("bytes=3-", '"another"'), { is: "whole" });
});
