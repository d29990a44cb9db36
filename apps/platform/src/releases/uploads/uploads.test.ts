import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { defaultScope } from "@tenfold/base";
import { findS3Server, startS3Server } from "@tenfold/testkit";
import fc from "fast-check";
import { sql } from "kysely";
import { Upload as TusUpload } from "tus-js-client";
import { dataFolder } from "../../../test/folder.ts";
import { createAccess } from "../../access/index.ts";
import { type Blobs, createHttp, openBlobs, openS3Blobs, silentLog } from "../../kernel/index.ts";
import { testDatabase } from "../../kernel/testing.ts";
import { createReleases } from "../index.ts";
import { pieceBytes, piecesOf } from "./pieces.ts";
import { weakNetwork } from "./testing.ts";
import { removeExpired } from "./uploads.shell.ts";

const scope = defaultScope;
const hashOf = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

type Limits = { maxArtifactBytes?: number; uploadQuotaBytes?: number };

/** A platform's releases behind a real HTTP socket, which can be started anew over the same database and folders. */
async function uploadWorld(limits: Limits = {}) {
  const database = await testDatabase();
  const { path: folder, ...removal } = await dataFolder();
  const clock = { time: Date.UTC(2026, 5, 1), now: () => clock.time };
  const { db } = database;
  const { audit } = createAccess({ db, clock, log: silentLog });
  const blobs = await openBlobs(join(folder, "blobs"));
  const parts = await openBlobs(join(folder, "parts"));
  const options = { maxArtifactBytes: 100 * 2 ** 20, uploadQuotaBytes: 200 * 2 ** 20, uploadLifetimeMs: 60_000, ...limits };
  const deps = { db, blobs, parts, audit, clock, log: silentLog, ...options };

  async function start(over: Partial<{ parts: Blobs; blobs: Blobs }> = {}) {
    const releases = createReleases({
      ...deps,
      ...over,
      admitRequest: () => Promise.reject(new Error("no device HTTP here")),
      standing: async () => ({ is: "no_repository" }),
      firmwareInUse: async () => [],
    });
    const app = await createHttp({
      log: silentLog,
      version: "test",
      answers: "validate",
      authenticate: async ({ headers }) => {
        const name = /^Bearer (\w+)$/.exec(headers.authorization ?? "")?.[1];
        if (name === undefined) return undefined;
        const role = name === "viewer" ? "viewer" : "release_manager";
        return { actor: { kind: "service_account", id: name, name }, role, scope };
      },
    });
    releases.routes(app);
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    return { app, url };
  }

  let { app, url } = await start();
  const send = (method: string, path: string, { body, as = "ci", ...headers }: Record<string, string | Buffer | undefined> = {}) =>
    fetch(path.startsWith("http") ? path : `${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${String(as)}`, "tus-resumable": "1.0.0", ...(headers as Record<string, string>) },
      ...(body === undefined ? {} : { body: new Uint8Array(body as Buffer) }),
    });
  const begin = (bytes: Buffer, { as = "ci", sha256 = hashOf(bytes) }: { as?: string; sha256?: string } = {}) =>
    send("POST", "/api/v1/uploads", {
      as,
      "upload-length": String(bytes.length),
      "upload-metadata": `filename ${btoa("a.bin")},sha256 ${btoa(sha256)}`,
    });
  const patch = (location: string, offset: number, bytes: Buffer) =>
    send("PATCH", location, { body: bytes, "upload-offset": String(offset), "content-type": "application/offset+octet-stream" });
  return {
    db,
    deps,
    clock,
    blobs,
    folder,
    get url() {
      return url;
    },
    send,
    begin,
    patch,
    offsetOf: async (location: string) => Number((await send("HEAD", location)).headers.get("upload-offset")),
    partFiles: async () =>
      (await readdir(join(folder, "parts"), { recursive: true, withFileTypes: true })).filter((one) => one.isFile()).length,
    async restart(over: Partial<{ parts: Blobs; blobs: Blobs }> = {}) {
      await app.close();
      ({ app, url } = await start(over));
    },
    async [Symbol.asyncDispose]() {
      await app.close();
      await database[Symbol.asyncDispose]();
      await removal[Symbol.asyncDispose]();
    },
  };
}

type World = Awaited<ReturnType<typeof uploadWorld>>;

type Answer = { code: string; items: { received: number; by: string }[] };
// What our own API answers; only the members that a test asks for are looked at.
const jsonOf = async (answer: Response) => (await answer.json()) as Answer;

/** Whether the platform has these bytes as an artifact. */
async function stored(w: World, bytes: Buffer): Promise<boolean> {
  const answer = await w.send("GET", `/api/v1/artifacts/${hashOf(bytes)}`);
  return answer.status === 200 && Buffer.from(await answer.arrayBuffer()).equals(bytes);
}

test("an upload is begun, goes on from where it stands, and becomes the artifact with its last byte", async () => {
  await using w = await uploadWorld();
  const bytes = randomBytes(pieceBytes + 100_000);
  const begun = await w.begin(bytes);
  const location = begun.headers.get("location") ?? "";
  assert.deepEqual([begun.status, begun.headers.get("upload-offset"), begun.headers.get("tus-resumable")], [201, "0", "1.0.0"]);
  const first = await w.patch(location, 0, bytes.subarray(0, 70_000));
  assert.deepEqual([first.status, first.headers.get("upload-offset")], [204, "70000"]);
  const wrong = await w.patch(location, 0, bytes.subarray(0, 10));
  assert.deepEqual([wrong.status, (await jsonOf(wrong)).code], [409, "upload_offset_mismatch"]);
  assert.equal((await w.begin(bytes)).headers.get("location"), location, "the same bytes by the same actor are the same upload");
  const listed = await jsonOf(await w.send("GET", "/api/v1/uploads"));
  assert.deepEqual([listed.items.length, listed.items[0]?.received, listed.items[0]?.by], [1, 70_000, "ci"]);
  assert.equal(await stored(w, bytes), false, "what is not whole is no artifact");
  const last = await w.patch(location, 70_000, bytes.subarray(70_000));
  assert.deepEqual([last.status, last.headers.get("upload-offset")], [204, String(bytes.length)]);
  assert.ok(await stored(w, bytes));
  assert.equal(await w.partFiles(), 0, "the parts are removed");
  assert.deepEqual((await jsonOf(await w.send("GET", "/api/v1/uploads"))).items, []);
});

test("the same bytes uploaded again cost nothing", async () => {
  await using w = await uploadWorld();
  const bytes = randomBytes(50_000);
  await w.patch((await w.begin(bytes)).headers.get("location") ?? "", 0, bytes);
  const again = await w.begin(bytes, { as: "somebody" });
  assert.deepEqual([again.status, again.headers.get("upload-offset")], [201, String(bytes.length)]);
});

test("an upload survives the server that took it in", async () => {
  await using w = await uploadWorld();
  const bytes = randomBytes(2 * pieceBytes + 1);
  const location = (await w.begin(bytes)).headers.get("location") ?? "";
  await w.patch(location, 0, bytes.subarray(0, pieceBytes + 5));
  await w.restart();
  assert.equal(await w.offsetOf(location), pieceBytes + 5);
  await w.patch(location, pieceBytes + 5, bytes.subarray(pieceBytes + 5));
  assert.ok(await stored(w, bytes));
});

const s3 = findS3Server();

test("S3: the pieces of an upload have a place of their own, and are gone when the artifact is whole", {
  skip: s3 === undefined ? "no versitygw here: npm run test:third-party installs it" : false,
}, async () => {
  await using w = await uploadWorld();
  await using server = await startS3Server(s3 ?? "");
  const { endpoint, bucket, accessKey, secret } = server;
  const of = (what: string) =>
    openS3Blobs({ endpoint, bucket, accessKey, secret, region: "us-east-1", prefix: `${what}/`, spoolDir: join(w.folder, what) });
  const over = { parts: await of("uploads"), blobs: await of("blobs") };
  await w.restart(over);
  const bytes = randomBytes(2 * pieceBytes + 1);
  const location = (await w.begin(bytes)).headers.get("location") ?? "";
  await w.patch(location, 0, bytes.subarray(0, pieceBytes + 5));
  assert.deepEqual(new Set((await server.objects()).map((name) => name.split("/")[0])), new Set(["uploads"]));
  await w.restart(over);
  assert.equal(await w.offsetOf(location), pieceBytes + 5);
  await w.patch(location, pieceBytes + 5, bytes.subarray(pieceBytes + 5));
  assert.ok(await stored(w, bytes));
  assert.deepEqual(await server.objects(), [`blobs/${hashOf(bytes)}`]);
});

test("a server that dies at any write of an upload leaves one that can be finished", async () => {
  const bytes = randomBytes(pieceBytes + 10);
  for (const dies of ["before the part", "after the part", "before the artifact", "after the artifact"]) {
    await using w = await uploadWorld();
    const location = (await w.begin(bytes)).headers.get("location") ?? "";
    const dying = (blobs: Blobs, when: "before" | "after"): Blobs => ({
      ...blobs,
      async put(source, options) {
        if (when === "after") await blobs.put(source, options);
        throw new Error("the power is gone");
      },
    });
    const when = dies.startsWith("before") ? "before" : "after";
    await w.restart(dies.endsWith("part") ? { parts: dying(w.deps.parts, when) } : { blobs: dying(w.deps.blobs, when) });
    assert.equal((await w.patch(location, 0, bytes)).status, 500, dies);
    await w.restart();
    const offset = await w.offsetOf(location);
    assert.ok(offset < bytes.length, `${dies}: nothing is acknowledged that is not durable`);
    assert.equal((await w.patch(location, offset, bytes.subarray(offset))).status, 204, dies);
    assert.ok(await stored(w, bytes), dies);
    assert.equal(await w.partFiles(), 0, dies);
  }
});

test("bytes that do not hash to what was said make no artifact, and the upload is gone", async () => {
  await using w = await uploadWorld();
  const bytes = randomBytes(1_000);
  const location = (await w.begin(bytes)).headers.get("location") ?? "";
  const refused = await w.patch(location, 0, randomBytes(1_000));
  assert.deepEqual([refused.status, (await jsonOf(refused)).code], [422, "upload_hash_mismatch"]);
  assert.equal((await w.send("HEAD", location)).status, 404);
  assert.equal(await stored(w, bytes), false);
});

test("an upload belongs to who began it, and to those who may release", async () => {
  await using w = await uploadWorld();
  const bytes = randomBytes(1_000);
  const location = (await w.begin(bytes)).headers.get("location") ?? "";
  assert.equal((await w.send("HEAD", location, { as: "other" })).status, 404);
  assert.equal((await w.begin(bytes, { as: "viewer" })).status, 403);
  assert.notEqual((await w.begin(bytes, { as: "other" })).headers.get("location"), location);
  assert.equal((await w.send("DELETE", location)).status, 204);
  assert.equal((await w.send("HEAD", location)).status, 404);
});

test("unfinished uploads are bounded in number and bytes, and expire", async () => {
  await using w = await uploadWorld({ maxArtifactBytes: 1_000, uploadQuotaBytes: 1_500 });
  const code = async (answer: Response) => [answer.status, (await jsonOf(answer)).code];
  assert.deepEqual(await code(await w.begin(randomBytes(1_001))), [413, "upload_too_large"]);
  const location = (await w.begin(randomBytes(1_000))).headers.get("location") ?? "";
  await w.patch(location, 0, randomBytes(10));
  assert.deepEqual(await code(await w.begin(randomBytes(600))), [429, "upload_quota_reached"]);
  for (let i = 0; i < 15; i++) assert.equal((await w.begin(randomBytes(2))).status, 201);
  assert.deepEqual(await code(await w.begin(randomBytes(2))), [429, "upload_quota_reached"]);
  w.clock.time += 60_001;
  assert.equal((await w.send("HEAD", location)).status, 404);
  assert.equal(await removeExpired(w.deps), 16);
  assert.equal(await w.partFiles(), 0);
  const { rows } = await sql<{ n: number }>`select count(*)::int as n from releases.upload`.execute(w.db);
  assert.equal(rows[0]?.n, 0);
  assert.equal((await w.begin(randomBytes(600))).status, 201);
});

test("a request that is no tus, or says something impossible, is refused by name", async () => {
  await using w = await uploadWorld();
  const bytes = randomBytes(100);
  const location = (await w.begin(bytes)).headers.get("location") ?? "";
  const post = (headers: Record<string, string>) => w.send("POST", "/api/v1/uploads", headers);
  const good = { "upload-length": "100", "upload-metadata": `sha256 ${btoa(hashOf(bytes))}` };
  const cases: [Promise<Response>, number, string][] = [
    [post({ ...good, "tus-resumable": "0.2.2" }), 412, "upload_version_unsupported"],
    [post({ ...good, "upload-length": "-1" }), 400, "upload_header_invalid"],
    [post({ ...good, "upload-length": "0" }), 400, "upload_header_invalid"],
    [post({ ...good, "upload-metadata": "sha256 zz" }), 400, "upload_header_invalid"],
    [post({ ...good, "upload-length": "99" }), 409, "upload_conflict"],
    [w.send("PATCH", location, { "upload-offset": "0" }), 400, "upload_header_invalid"],
    [w.send("PATCH", location, { body: bytes, "content-type": "application/offset+octet-stream" }), 400, "upload_header_invalid"],
    [w.send("PATCH", location, { body: bytes, "upload-offset": "0", "content-type": "text/plain" }), 415, "media_type_unknown"],
    [w.patch(location, 0, randomBytes(101)), 413, "upload_too_long"],
  ];
  for (const [answer, status, expected] of cases) {
    const { status: found, headers } = await answer;
    assert.deepEqual([found, (await jsonOf(await answer)).code], [status, expected]);
    assert.equal(headers.get("tus-resumable"), "1.0.0", "[tus 1.0] every answer says the version");
  }
  const options = await w.send("OPTIONS", "/api/v1/uploads");
  assert.deepEqual(
    [options.status, options.headers.get("tus-extension"), options.headers.get("tus-max-size")],
    [204, "creation,expiration,termination", String(100 * 2 ** 20)],
  );
});

test("of two requests that go on with one upload at the same time one wins, and the artifact is whole", async () => {
  await using w = await uploadWorld();
  const bytes = randomBytes(2 * pieceBytes);
  const location = (await w.begin(bytes)).headers.get("location") ?? "";
  const answers = await Promise.all([w.patch(location, 0, bytes), w.patch(location, 0, bytes)]);
  const statuses = answers.map(({ status }) => status).toSorted();
  assert.ok(statuses.includes(204) || (await w.offsetOf(location)) < bytes.length, String(statuses));
  const offset = await w.offsetOf(location);
  if (offset < bytes.length) await w.patch(location, offset, bytes.subarray(offset));
  assert.ok(await stored(w, bytes));
  assert.equal(await w.partFiles(), 0);
});

test("a foreign tus client uploads over a network that is cut again and again", async () => {
  await using w = await uploadWorld();
  const bytes = randomBytes(pieceBytes + 4_321);
  await using weak = await weakNetwork(w.url, [3_000_000, 500, 2_000_000]);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const upload = new TusUpload(bytes, {
    endpoint: `${weak.url}/api/v1/uploads`,
    headers: { authorization: "Bearer ci" },
    metadata: { sha256: hashOf(bytes) },
    retryDelays: Array.from({ length: 20 }, () => 20),
    onSuccess: () => resolve(),
    onError: reject,
  });
  upload.start();
  await promise;
  assert.ok(weak.connections() > 3, `only ${weak.connections()} connections were needed`);
  assert.ok(await stored(w, bytes));
});

test("a stream is cut into pieces of one size, and what came before a cut is kept", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 }),
      fc.integer({ min: 1, max: 30 }),
      fc.boolean(),
      async (chunks, size, breaks) => {
        async function* source() {
          for (const chunk of chunks) yield Buffer.from(chunk);
          if (breaks) throw new Error("cut");
        }
        const pieces: Buffer[] = [];
        let failed = false;
        try {
          for await (const piece of piecesOf(source(), size)) pieces.push(piece);
        } catch {
          failed = true;
        }
        assert.equal(failed, breaks);
        assert.deepEqual(Buffer.concat(pieces), Buffer.concat(chunks));
        for (const piece of pieces.slice(0, -1)) assert.equal(piece.length, size);
        assert.ok(pieces.every(({ length }) => length > 0 && length <= size));
      },
    ),
  );
});
