import assert from "node:assert/strict";
import { generateKeyPairSync, type X509Certificate } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { days, defaultScope } from "@tenfold/base";
import { der, issueCertificate, issuerOf, makeName, oids, publicKeyOf, randomSerial } from "@tenfold/pki";
import { sql } from "kysely";
import { asClient, csrFor, enrolled, enrollmentWorld, newKey, operator, start, trustedFactory, type World } from "./testing.ts";

type Shown = { chain?: Uint8Array[]; user?: string; password?: string };

/** Why a request is refused, asked without the wire. */
async function why(w: World, body: string | Buffer, { chain = [], user, password = "" }: Shown = {}): Promise<string> {
  const basic = user === undefined ? undefined : { user, password };
  const shown = { chain, basic };
  const outcome = await w.enrollment.enroll({
    operation: "simpleenroll",
    body: Buffer.from(body),
    shown,
    remoteAddress: undefined,
  });
  return outcome.is === "refused" ? outcome.because : outcome.is;
}

const whyNot = async (w: World, certificate: Pick<X509Certificate, "raw">) => {
  const admission = await w.enrollment.admit(certificate);
  return admission.is === "refuse" ? admission.because : admission.is;
};

const put = (w: World, lifecycle: string) =>
  sql`update registry.device set lifecycle = ${lifecycle} where id = 'pump-1'`.execute(w.db);

async function forget(w: World): Promise<void> {
  for (const table of ["lifecycle_change", "firmware_change", "contact_span"])
    await sql`delete from ${sql.table(`registry.${table}`)} where device = 'pump-1'`.execute(w.db);
  await sql`delete from registry.device where id = 'pump-1'`.execute(w.db);
}

test("what is wrong with a request is told by its own reason", async () => {
  await using w = await enrollmentWorld();
  const good = Buffer.from(await csrFor("pump-1", newKey()), "base64");
  const forged = Buffer.from(good);
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
  const weak = generateKeyPairSync("ec", { namedCurve: "secp521r1" }).publicKey.export({ format: "der", type: "spki" });
  const info = der.sequence(der.integer(0), makeName([{ type: oids.commonName, value: "x" }]).der, weak, der.context(0));
  const refusable = der.sequence(info, der.sequence(der.oid(oids.ecdsaWithSha256)), der.bitString(Buffer.alloc(8)));
  assert.equal(await why(w, "A".repeat(17_000)), "request_too_large");
  assert.equal(await why(w, forged.toString("base64")), "proof_of_possession_failed");
  assert.equal(await why(w, refusable.toString("base64")), "algorithm_refused");
  assert.equal(await why(w, "nonsense!"), "request_malformed");
});

test("what is wrong with a manufacturer's certificate is told by its own reason", async () => {
  await using w = await enrollmentWorld();
  const { device, manufacturer } = await trustedFactory(w);
  const csr = await csrFor("pump-1", newKey());
  const nameless = await issueCertificate({
    issuer: issuerOf(manufacturer),
    subject: makeName([{ type: oids.organizationName, value: "Acme" }]),
    publicKey: publicKeyOf(newKey()),
    serial: randomSerial(),
    notBefore: start - 1_000,
    notAfter: start + days(1),
    usage: "manufacturer_device",
  });
  const early = await device("pump-1", { notBefore: start + days(1) });
  assert.equal(await why(w, csr, { chain: [Buffer.from([0x30, 0])] }), "certificate_malformed");
  assert.equal(await why(w, csr, { chain: [manufacturer.certificate.der] }), "chain_invalid");
  assert.equal(await why(w, csr, { chain: [nameless.der] }), "serial_missing");
  assert.equal(await why(w, csr, { chain: [early.certificate.der] }), "certificate_not_yet_valid");
});

test("a device that is out of service, not registered, or of another fleet gets no certificate, each for its own reason", async () => {
  await using w = await enrollmentWorld();
  const { device } = await trustedFactory(w);
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
  const { certificate } = await enrolled(w, "simpleenroll", { serial: "pump-1", client: asClient(await device("pump-1")) });
  const renewal = async () => why(w, await csrFor("pump-1", newKey()), { chain: [certificate.raw] });
  for (const lifecycle of ["quarantined", "retired"]) {
    await put(w, lifecycle);
    assert.equal(await renewal(), `device_${lifecycle}`);
    assert.equal(await whyNot(w, certificate), `device_${lifecycle}`);
  }
  await put(w, "expected");
  assert.equal(await whyNot(w, certificate), "device_not_active");
  await forget(w);
  assert.equal(await renewal(), "device_unknown");
  assert.equal(await whyNot(w, certificate), "device_unknown");
  await sql`delete from enrollment.certificate`.execute(w.db);
  assert.equal(await renewal(), "certificate_unknown");
  assert.equal(await whyNot(w, certificate), "certificate_unknown");
  const { code } = await w.enrollment.makeCode(defaultScope, { serial: "board-1", lifetimeS: 600, actor: operator });
  await w.db.transaction().execute((tx) => w.registry.register(tx, { fleet: "other" }, { id: "board-1", lifecycle: "active" }));
  assert.equal(await why(w, await csrFor("board-1", newKey()), { user: "board-1", password: code }), "device_conflict");
});

test("a connection with a certificate that cannot be read, or is not valid yet, is refused for that", async () => {
  await using w = await enrollmentWorld();
  const { device } = await trustedFactory(w);
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
  const { certificate } = await enrolled(w, "simpleenroll", { serial: "pump-1", client: asClient(await device("pump-1")) });
  assert.equal(await whyNot(w, { raw: Buffer.from([0x30, 0]) }), "certificate_malformed");
  w.pass(-days(1));
  assert.equal(await whyNot(w, certificate), "certificate_not_yet_valid");
});

test("every reason that docs/protocol/enrollment.md lists is provoked by a test, and every one in the code is listed", () => {
  const folder = new URL(".", import.meta.url);
  const read = (url: URL) => readFileSync(url, "utf8");
  const page = read(new URL("../../../../docs/protocol/enrollment.md", folder));
  const rows = page.split("\n").filter((line) => /^\| `[a-z_]+`.*\| 4\d\d \|/.test(line));
  const connect = /5\.2 Refusals:([^.]*)\./.exec(page)?.[1] ?? "";
  const listed = new Set([...rows.map((row) => row.split("|")[1] ?? ""), connect].join(" ").match(/[a-z_]{6,}/g));
  const tests = readdirSync(folder)
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => read(new URL(name, folder)))
    .join("\n");
  const deviceStates = new Set(["device_quarantined", "device_retired"]);
  const silent = [...listed].filter((code) => !deviceStates.has(code) && !new RegExp(`\\b${code}\\b`).test(tests));
  assert.deepEqual(silent, [], "listed but never provoked");
  const declared = /export type Refusal =([^;]*);/.exec(read(new URL("attempt.ts", folder)))?.[1]?.match(/[a-z_]{6,}/g) ?? [];
  assert.ok(declared.length > 30);
  assert.deepEqual(
    declared.filter((code) => !listed.has(code)),
    [],
    "in the code but not listed",
  );
});
