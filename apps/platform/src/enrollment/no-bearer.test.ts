import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { defaultScope, Problem } from "@tenfold/base";
import {
  createRoot,
  issueCertificate,
  issuerOf,
  makeDeviceIdentity,
  newSigner,
  publicKeyOf,
  randomSerial,
  readCertificate,
  toPem,
} from "@tenfold/pki";
import { sql } from "kysely";
import { createLog } from "../kernel/index.ts";
import { deviceName } from "./names.ts";
import {
  asClient,
  type Client,
  csrFor,
  enrolled,
  enrollmentWorld,
  newKey,
  operator,
  start,
  trustedFactory,
  type World,
} from "./testing.ts";

const serials = ["pump-1", "pump-2", "board-1"];

/** Every value of every table, as text. */
async function dumpDatabase(w: World): Promise<string[]> {
  const { rows: tables } = await sql<{ name: string }>`
    select format('%I.%I', table_schema, table_name) as name from information_schema.tables
    where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`.execute(w.db);
  const values: string[] = [];
  for (const { name } of tables) {
    const { rows } = await sql<{ row: string }>`select to_jsonb(t)::text as row from ${sql.raw(name)} t`.execute(w.db);
    values.push(...rows.map(({ row }) => row));
  }
  assert.ok(tables.length > 20 && values.length > 20, "there is something to steal");
  return values;
}

/** What lies in the data folder, but for the keys of the authority itself: they are the one thing that a copy must not hold. */
async function dumpFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((one) => one.isFile() && !one.name.endsWith(".key"));
  return Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name), "latin1")));
}

/** Words that could be a secret: as they stand, from hex, and from base64. */
function candidatesIn(loot: readonly string[]): string[] {
  const words = new Set<string>();
  for (const text of loot)
    for (const [word] of text.matchAll(/[A-Za-z0-9+/_=.:-]{8,}/g)) {
      words.add(word);
      if (/^\\?x?[0-9a-f]{16,}$/.test(word)) words.add(Buffer.from(word.replace(/^\\?x/, ""), "hex").toString("latin1"));
    }
  return [...words].filter((word) => word.length <= 200);
}

/** A world in which everything has happened that leaves traces: enrollments, a code that was used and one that was not, accounts. */
async function livedIn() {
  const logged: string[] = [];
  const w = await enrollmentWorld({
    log: createLog({ level: "debug", write: (line) => logged.push(line) }),
    requestsPerMinute: 1_000_000,
  });
  const factory = await trustedFactory(w, "refuse");
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }, { serial: "pump-2" }], actor: operator });
  const device = await enrolled(w, "simpleenroll", { serial: "pump-1", client: asClient(await factory.device("pump-1")) });
  await w.enrollment.admit(device.certificate);
  const { code } = await w.enrollment.makeCode(defaultScope, { serial: "board-1", lifetimeS: 3_600, actor: operator });
  const used = await w.enrollment.makeCode(defaultScope, { serial: "board-2", lifetimeS: 3_600, actor: operator });
  await enrolled(w, "simpleenroll", { serial: "board-2", client: { user: "board-2", password: used.code } });
  const account = await w.access.createServiceAccount(defaultScope, { name: "pipeline", role: "admin", actor: operator });
  await w.enrollment.transferKey();
  return { w, factory, device, code, account, logged };
}

const tryCode = async (w: World, user: string, password: string) => {
  await sql`update enrollment.one_time_code set wrong_attempts = 0`.execute(w.db);
  const body = Buffer.from(await csrOnce(user));
  return w.enrollment.enroll({
    operation: "simpleenroll",
    body,
    shown: { chain: [], basic: { user, password } },
    remoteAddress: "thief",
  });
};
const csrs = new Map<string, Promise<string>>();
/** One request a serial number: what is tried is the credential. */
function csrOnce(serial: string): Promise<string> {
  const known = csrs.get(serial) ?? csrFor(serial, newKey());
  csrs.set(serial, known);
  return known;
}

test("a copy of database, data folder, configuration and logs, and a firmware image, enroll and connect nothing", async () => {
  const { w, factory, device, code, account, logged } = await livedIn();
  await using _ = w;
  const image = JSON.stringify({ firmware: "2.0.0", platform: "https://localhost:8443", ca: w.enrollment.trustedCaPem });
  const configuration = JSON.stringify({
    ...w.deps,
    db: undefined,
    registry: undefined,
    bus: undefined,
    log: undefined,
    clock: undefined,
  });
  const loot = [...(await dumpDatabase(w)), ...(await dumpFiles(w.dataDir)), ...logged, image, configuration];
  const text = loot.join("\n");

  // Nothing that opens a door stands in it as it is.
  for (const secret of [code, code.replaceAll("-", ""), account.token])
    assert.ok(!text.includes(secret), "a secret stands in the copy");
  assert.doesNotMatch(text, /PRIVATE KEY/);
  const before = await w.attempts();
  const issuedBefore = before.filter(({ verdict }) => verdict === "issued").length;

  const candidates = candidatesIn(loot);
  assert.ok(candidates.length > 200, `${candidates.length} candidates`);
  for (const password of candidates) {
    const outcome = await tryCode(w, "board-1", password);
    assert.equal(outcome.is, "refused", `a word of the copy is a code: ${password}`);
  }
  for (const serial of serials) assert.equal((await tryCode(w, serial, serial)).is, "refused");
  const bearer = (word: string) =>
    w.access.authenticate({ headers: { authorization: `Bearer ${word}` } } as never).catch((error: unknown) => error);
  for (const word of candidates.filter((one) => /^[\x21-\x7e]+$/.test(one))) {
    const identity = await bearer(word);
    assert.ok(identity === undefined || identity instanceof Problem, `a word of the copy is a token: ${word}`);
  }

  // Every certificate that stands in it, shown without its key: TLS itself demands the key, so a thief's own stands in for it.
  const thief = newKey();
  for (const pem of [device.cert ?? "", toPem("CERTIFICATE", factory.manufacturer.certificate.der)])
    await assert.rejects(
      w.post("simpleenroll", await csrFor("pump-2", thief), { cert: pem, key: asPem(thief) }),
      /key values mismatch/,
    );

  // Authorities of the same names, made anew: what a copy of their certificates allows.
  for (const victim of [factory.manufacturer.certificate, readCertificate(firstRoot(w))]) {
    const signer = newSigner();
    const fake = await createRoot({ signer, name: victim.subject.parts.flat(), now: start - 1_000 });
    const idevid = await makeDeviceIdentity({ manufacturer: fake, serial: "pump-2", notBefore: start - 1_000 });
    const refused = await w.post("simpleenroll", await csrFor("pump-2", newKey()), asClient(idevid));
    assert.equal(refused.status, 403);
    assert.match(String(refused.body), /^(issuer_unknown|chain_invalid):/);
    const forged = await issueCertificate({
      issuer: issuerOf(fake),
      subject: deviceName("pump-1"),
      publicKey: publicKeyOf(thief),
      serial: randomSerial(),
      notBefore: start - 1_000,
      notAfter: start + 86_400_000,
      usage: "device",
    });
    assert.equal((await w.enrollment.admit(new X509Certificate(forged.der))).is, "refuse");
    const renewal: Client = { cert: toPem("CERTIFICATE", forged.der), key: asPem(thief) };
    assert.equal((await w.post("simplereenroll", await csrFor("pump-1", newKey()), renewal)).status, 403);
  }
  assert.equal((await w.post("simpleenroll", await csrFor("pump-2", newKey()))).status, 401, "with nothing at all");

  const issued = (await w.attempts()).filter(({ verdict }) => verdict === "issued").length;
  assert.equal(issued, issuedBefore, "nothing was issued");
  // The same doors do open to who holds what the copy lacks.
  await sql`update enrollment.one_time_code set wrong_attempts = 0`.execute(w.db);
  await enrolled(w, "simpleenroll", { serial: "board-1", client: { user: "board-1", password: code } });
  await enrolled(w, "simpleenroll", { serial: "pump-2", client: asClient(await factory.device("pump-2")) });
  assert.notEqual(await bearer(account.token), undefined);
});

const asPem = (key: ReturnType<typeof newKey>): string => key.export({ format: "pem", type: "pkcs8" }).toString();
const firstRoot = (w: World): Buffer => Buffer.from(w.enrollment.trustedCaPem.replace(/-----[^-]+-----|\s/g, ""), "base64");
