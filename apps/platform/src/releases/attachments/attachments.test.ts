import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { test } from "node:test";
import { defaultScope, Problem } from "@tenfold/base";
import { generateSigningKey, readPrivateKey, signRelease } from "@tenfold/ota";
import fc from "fast-check";
import { dataFolder } from "../../../test/folder.ts";
import { createAccess, systemActor } from "../../access/index.ts";
import { createHttp, openBlobs, silentLog } from "../../kernel/index.ts";
import { testDatabase } from "../../kernel/testing.ts";
import { createReleases } from "../index.ts";
import { preAuthenticated, readProvenance } from "./provenance.ts";
import { nesting, readQuestion } from "./sbom.ts";

const scope = defaultScope;
const bytes = Buffer.from("the firmware of a pump");
const sha256 = createHash("sha256").update(bytes).digest("hex");
const signer = generateSigningKey();

/** A platform's releases, with a release 1.0.0 and a release 1.1.0 of the same bytes. */
async function attachmentWorld() {
  const database = await testDatabase();
  const folder = await dataFolder();
  const { db } = database;
  let at = Date.UTC(2026, 3, 1);
  const clock = { now: () => at++ };
  const { audit } = createAccess({ db, clock, log: silentLog });
  const blobs = await openBlobs(folder.path);
  const releases = createReleases({
    db,
    blobs,
    parts: blobs,
    audit,
    clock,
    log: silentLog,
    maxArtifactBytes: 1_000,
    uploadQuotaBytes: 1_000,
    uploadLifetimeMs: 1_000,
    standing: async () => ({ is: "no_repository" }),
    admitRequest: () => Promise.reject(new Error("no device HTTP here")),
    firmwareInUse: async () => [],
  });
  const app = await createHttp({
    log: silentLog,
    version: "test",
    answers: "validate",
    authenticate: async () => ({ actor: systemActor, role: "release_manager", scope }),
  });
  releases.routes(app);
  const call = async (method: "GET" | "POST" | "DELETE" | "PUT", url: string, body?: unknown) => {
    const payload =
      body === undefined
        ? {}
        : Buffer.isBuffer(body)
          ? { payload: body, headers: { "content-type": "application/octet-stream" } }
          : { payload: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const response = await app.inject({ method, url: `/api/v1${url}`, ...payload });
    return { status: response.statusCode, body: response.json() };
  };
  await call("PUT", `/artifacts/${sha256}`, bytes);
  await call("POST", "/signing-keys", { name: "ci", publicKeyPem: signer.publicKeyPem });
  for (const version of ["1.0.0", "1.1.0"]) {
    const statement = {
      type: "tenfold.release.v1" as const,
      name: "pump",
      version,
      models: [],
      artifact: { sha256, size: bytes.length },
      signedAt: "2026-04-01T00:00:00Z",
    };
    await call("POST", "/releases", { envelope: signRelease(statement, readPrivateKey(signer.privateKeyPem)) });
  }
  return {
    db,
    releases,
    call,
    attach: (kind: "sboms" | "provenances", document: unknown, version = "1.0.0") =>
      call("POST", `/releases/${version}/${kind}`, {
        document: typeof document === "string" ? document : JSON.stringify(document),
      }),
    async [Symbol.asyncDispose]() {
      await app.close();
      await database[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const sbom = (over: object = {}) => ({
  bomFormat: "CycloneDX",
  specVersion: "1.6",
  serialNumber: "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
  version: 1,
  metadata: { component: { type: "firmware", name: "pump", version: "1.0.0", hashes: [{ alg: "SHA-256", content: sha256 }] } },
  components: [
    {
      type: "library",
      name: "openssl",
      version: "3.0.13",
      purl: "pkg:deb/debian/openssl@3.0.13?arch=armhf",
      licenses: [{ license: { id: "Apache-2.0" } }],
    },
    {
      type: "library",
      name: "zlib",
      version: "1.3.1",
      purl: "pkg:generic/zlib@1.3.1",
      components: [{ type: "file", name: "inflate.c" }],
    },
  ],
  ...over,
});

const statement = (over: object = {}, digest = sha256) => ({
  _type: "https://in-toto.io/Statement/v1",
  subject: [{ name: "pump.bin", digest: { sha256: digest } }],
  predicateType: "https://slsa.dev/provenance/v1",
  predicate: {
    buildDefinition: {
      buildType: "https://actions.github.io/buildtypes/workflow/v1",
      externalParameters: { workflow: { ref: "refs/tags/v1.0.0", repository: "https://github.com/acme/pump" } },
      resolvedDependencies: [{ uri: "git+https://github.com/acme/pump@refs/tags/v1.0.0", digest: { gitCommit: "ab".repeat(20) } }],
    },
    runDetails: {
      builder: { id: "https://github.com/actions/runner" },
      metadata: { invocationId: "https://github.com/acme/pump/actions/runs/1" },
    },
  },
  ...over,
});

const payloadType = "application/vnd.in-toto+json";
function sealed(document: unknown, key: KeyObject, keyid?: string) {
  const payload = Buffer.from(JSON.stringify(document)).toString("base64");
  const algorithm = key.asymmetricKeyType === "ed25519" ? null : "sha256";
  const sig = sign(algorithm, preAuthenticated({ payloadType, payload }), key).toString("base64");
  return { payloadType, payload, signatures: [{ ...(keyid ? { keyid } : {}), sig }] };
}

test("an SBOM is kept byte for byte, and what it lists is found by name, version and package URL", async () => {
  await using w = await attachmentWorld();
  const text = JSON.stringify(sbom(), null, 1);
  const made = await w.attach("sboms", text);
  assert.deepEqual([made.status, made.body.format, made.body.summary.components], [201, "CycloneDX 1.6", 3]);
  assert.equal((await w.attach("sboms", text)).body.id, made.body.id, "the same document twice is one");
  assert.equal((await w.call("GET", `/releases/1.0.0/attachments/${made.body.id}`)).body.document, text);
  await w.attach("sboms", sbom({ components: [{ type: "library", name: "OpenSSL", version: "3.0.14" }] }), "1.1.0");
  const found = async (query: string) =>
    (await w.call("GET", `/components?${query}`)).body.items.map(
      ({ release, component }: { release: { version: string }; component: { version: string } }) =>
        `${release.version} ${component.version}`,
    );
  assert.deepEqual(await found("component=openssl&version=<3.0.14"), ["1.0.0 3.0.13"]);
  assert.deepEqual(await found(`component=${encodeURIComponent("openssl<=3.0.14")}`), ["1.1.0 3.0.14", "1.0.0 3.0.13"]);
  assert.deepEqual(await found("component=openssl&version=3.0.2"), []);
  assert.deepEqual(await found("purl=pkg:deb/debian/openssl"), ["1.0.0 3.0.13"]);
  assert.deepEqual(await found("purl=pkg:deb/debian/open"), []);
  assert.equal((await w.call("GET", "/components")).body.code, "component_question_invalid");
  const listed = (await w.call("GET", "/releases/1.0.0/components")).body.items;
  assert.deepEqual(
    listed.map(({ name, licences }: { name: string; licences: string[] }) => [name, licences]),
    [
      ["inflate.c", []],
      ["openssl", ["Apache-2.0"]],
      ["zlib", []],
    ],
  );
});

test("a document that is not valid CycloneDX is refused with the place, and so is the SBOM of another build", async () => {
  await using w = await attachmentWorld();
  const refused = async (document: unknown) => {
    const { status, body } = await w.attach("sboms", document);
    return [status, body.code, body.field];
  };
  assert.deepEqual(await refused(sbom({ components: [{ type: "gadget", name: "x" }] })), [
    422,
    "attachment_invalid",
    "components.0.type",
  ]);
  assert.deepEqual(await refused(sbom({ surprise: 1 })), [422, "attachment_invalid", "document"]);
  assert.deepEqual(await refused(sbom({ specVersion: "9.9" })), [422, "attachment_invalid", "specVersion"]);
  assert.deepEqual(await refused({ spdxVersion: "SPDX-2.3" }), [422, "attachment_invalid", "specVersion"]);
  assert.deepEqual(await refused("{]"), [422, "attachment_invalid", "body.document"]);
  assert.deepEqual(await refused(`${"[".repeat(10_000)}${"]".repeat(10_000)}`), [422, "attachment_invalid", "body.document"]);
  const other = { component: { type: "firmware", name: "pump", hashes: [{ alg: "SHA-256", content: "ab".repeat(32) }] } };
  assert.deepEqual(await refused(sbom({ metadata: other })), [422, "attachment_of_another", "metadata.component.hashes"]);
});

test("provenance must speak of the release's own artifact", async () => {
  await using w = await attachmentWorld();
  const made = await w.attach("provenances", statement());
  assert.deepEqual(
    [made.status, made.body.summary.builder, made.body.summary.source, made.body.verifiedBy],
    [201, "https://github.com/actions/runner", "git+https://github.com/acme/pump@refs/tags/v1.0.0", []],
  );
  assert.equal((await w.attach("provenances", statement({}, "ab".repeat(32)))).body.code, "attachment_of_another");
  const old = await w.attach("provenances", statement({ predicateType: "https://slsa.dev/provenance/v0.2" }));
  assert.deepEqual([old.body.code, old.body.field], ["attachment_invalid", "predicateType"]);
});

test("a signature counts when its key is trusted, whatever it calls itself; and a false claim of a trusted key is refused", async () => {
  await using w = await attachmentWorld();
  const [trusted, stranger] = [generateKeyPairSync("ec", { namedCurve: "P-256" }), generateKeyPairSync("ed25519")];
  const publicKeyPem = trusted.publicKey.export({ type: "spki", format: "pem" }).toString();
  const { keyid } = (await w.call("POST", "/provenance-keys", { name: "builder", publicKeyPem })).body;
  const good = await w.attach("provenances", sealed(statement(), trusted.privateKey));
  assert.deepEqual(good.body.verifiedBy, [keyid]);
  const bundle = {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    dsseEnvelope: sealed(statement(), trusted.privateKey, "any name"),
  };
  assert.deepEqual((await w.attach("provenances", bundle)).body.verifiedBy, [keyid]);
  assert.deepEqual((await w.attach("provenances", sealed(statement(), stranger.privateKey))).body.verifiedBy, []);
  const forged = await w.attach("provenances", sealed(statement(), stranger.privateKey, keyid));
  assert.deepEqual([forged.status, forged.body.code], [422, "provenance_signature_invalid"]);
  await w.call("POST", `/provenance-keys/${keyid}/revoke`, { reason: "leaked" });
  const listed = (await w.call("GET", "/releases/1.0.0/attachments")).body.items;
  assert.ok(
    listed.every(({ verifiedBy }: { verifiedBy: string[] }) => verifiedBy.length === 0),
    "a revoked key vouches for nothing",
  );
  assert.equal(
    (await w.call("POST", "/provenance-keys", { name: "x", publicKeyPem: "nonsense" })).body.code,
    "provenance_key_unreadable",
  );
});

test("what is attached may be taken away until a rollout has used the release, and added to at any time", async () => {
  await using w = await attachmentWorld();
  const { id } = (await w.attach("sboms", sbom())).body;
  assert.equal((await w.call("DELETE", `/releases/1.0.0/attachments/${id}`)).status, 200);
  assert.deepEqual((await w.call("GET", "/components?component=zlib")).body.items, []);
  const again = (await w.attach("sboms", sbom())).body;
  await w.db.transaction().execute((tx) => w.releases.markUsed(tx, scope, { id: again.release, at: Date.UTC(2026, 4, 1) }));
  const refused = await w.call("DELETE", `/releases/1.0.0/attachments/${again.id}`);
  assert.deepEqual([refused.status, refused.body.code], [409, "release_in_use"]);
  assert.equal((await w.attach("provenances", statement())).status, 201);
});

test("whatever is sent as provenance is read or refused, and nothing else happens", () => {
  const refusedOrRead = (document: unknown) => {
    try {
      assert.ok(readProvenance(document, { sha256 }).provenance.builder);
    } catch (error) {
      assert.ok(error instanceof Problem, String(error));
    }
  };
  fc.assert(fc.property(fc.jsonValue(), refusedOrRead), { numRuns: 500 });
  const member = fc.constantFrom(
    "_type",
    "subject",
    "predicateType",
    "predicate",
    "payload",
    "payloadType",
    "signatures",
    "dsseEnvelope",
  );
  fc.assert(
    fc.property(member, fc.jsonValue(), (name, value) => {
      refusedOrRead({ ...statement(), [name]: value });
      refusedOrRead({ ...sealed(statement(), generateKeyPairSync("ed25519").privateKey), [name]: value });
    }),
    { numRuns: 200 },
  );
});

test("nesting counts brackets outside texts, and a question is read in one word or several", () => {
  assert.deepEqual([nesting('{"a":["}]",[]]}'), nesting('"[[["'), nesting('["\\"[",[]]')], [3, 0, 2]);
  assert.deepEqual(readQuestion({ component: "OpenSSL<3" }), readQuestion({ component: "openssl", version: "<3" }));
  assert.equal(readQuestion({ component: "x", version: "1.2" }).version?.compare, "=");
});
