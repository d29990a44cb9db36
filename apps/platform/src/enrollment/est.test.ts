import assert from "node:assert/strict";
import { test } from "node:test";
import { days, defaultScope, hours, minutes } from "@tenfold/base";
import { makeDeviceIdentity, makeManufacturer, readCertsOnly } from "@tenfold/pki";
import { asClient, certificateIn, csrFor, enrolled, enrollmentWorld, newKey, operator, start, trustedFactory } from "./testing.ts";

test("a device of a trusted manufacturer that stands in the manifest gets its certificate at once", async () => {
  await using w = await enrollmentWorld();
  const { device } = await trustedFactory(w, "refuse");
  await w.enrollment.announce(defaultScope, {
    entries: [{ serial: "pump-1", model: "p100", tags: { site: "oslo" } }],
    actor: operator,
  });
  assert.equal((await w.registry.find("pump-1"))?.lifecycle, "expected");
  const answer = await w.post("simpleenroll", await csrFor("whatever it wishes", newKey()), asClient(await device("pump-1")));
  assert.equal(answer.status, 200, answer.body.toString());
  const certificate = certificateIn(answer);
  assert.equal(certificate.subject, "CN=pump-1");
  assert.equal(certificate.subjectAltName, "URI:urn:tenfold:main:device:pump-1");
  assert.equal(Date.parse(certificate.validTo), start + days(30));
  assert.equal(Date.parse(certificate.validFrom), start - minutes(5));
  const found = await w.registry.get(defaultScope, "pump-1");
  assert.deepEqual([found?.lifecycle, found?.trustLevel, found?.tags, found?.model], ["active", 1, { site: "oslo" }, "p100"]);
  const [attempt] = await w.attempts();
  assert.deepEqual([attempt?.verdict, attempt?.method, attempt?.step, attempt?.because], ["issued", "idevid", "issue", "enrolled"]);
  assert.equal((await w.enrollment.admit(certificate)).is, "admit");
});

test("a device that nobody announced waits, is approved, and gets its certificate at the next try", async () => {
  await using w = await enrollmentWorld();
  const { device } = await trustedFactory(w);
  const client = asClient(await device("pump-2"));
  const csr = await csrFor("pump-2", newKey());
  const waiting = await w.post("simpleenroll", csr, client);
  assert.deepEqual([waiting.status, waiting.body.length], [202, 0]);
  assert.match(String(waiting.headers["retry-after"]), /^\d+$/);
  await w.post("simpleenroll", csr, client);
  const { listPending } = await import("./store.ts");
  const [pending, ...more] = await listPending(w.db, defaultScope);
  assert.deepEqual([pending?.serial, pending?.attempts, more.length], ["pump-2", 2, 0]);
  assert.equal((await w.registry.find("pump-2"))?.lifecycle, "pending");
  await assert.rejects(w.enrollment.decide(defaultScope, { id: "enr_none", state: "approved", actor: operator }), {
    code: "pending_enrollment_unknown",
  });
  await w.enrollment.decide(defaultScope, { id: pending?.id ?? "", state: "approved", actor: operator });
  assert.equal((await w.post("simpleenroll", csr, client)).status, 200);
  const found = await w.registry.find("pump-2");
  assert.deepEqual([found?.lifecycle, found?.trustLevel], ["active", 0]);
  await assert.rejects(
    w.enrollment.decide(defaultScope, { id: pending?.id ?? "", state: "rejected", reason: "x", actor: operator }),
    { code: "pending_enrollment_decided" },
  );
  assert.equal((await w.access.verifyAudit()).intact, true);
});

test("a rejected device, and an unannounced one of a strict manufacturer, are refused with the reason", async () => {
  await using w = await enrollmentWorld();
  const open = await trustedFactory(w);
  const strict = await trustedFactory(w, "refuse");
  const client = asClient(await open.device("pump-3"));
  const csr = await csrFor("pump-3", newKey());
  await w.post("simpleenroll", csr, client);
  const { listPending } = await import("./store.ts");
  const [pending] = await listPending(w.db, defaultScope);
  await w.enrollment.decide(defaultScope, { id: pending?.id ?? "", state: "rejected", reason: "not ours", actor: operator });
  const rejected = await w.post("simpleenroll", csr, client);
  assert.equal(rejected.status, 403);
  assert.match(rejected.body.toString(), /^approval_rejected: /);
  const unknown = await w.post("simpleenroll", await csrFor("pump-4", newKey()), asClient(await strict.device("pump-4")));
  assert.equal(unknown.status, 403);
  assert.match(unknown.body.toString(), /^device_not_expected: .*enroll manifest/);
  assert.equal(await w.registry.find("pump-4"), undefined);
});

test("strangers are refused, and the log says at which step, why and what to do", async () => {
  await using w = await enrollmentWorld();
  const { device, manufacturer } = await trustedFactory(w);
  const stranger = await makeDeviceIdentity({
    manufacturer: await makeManufacturer({ name: "Evil", now: start - 1_000 }),
    serial: "pump-5",
    notBefore: start - 1_000,
  });
  const expired = await device("pump-6", { notBefore: start - days(2), notAfter: start - days(1) });
  const nameless = await makeDeviceIdentity({ manufacturer, serial: "../../etc", notBefore: start - 1_000 });
  const csr = await csrFor("pump-5", newKey());
  assert.equal((await w.post("simpleenroll", csr, asClient(stranger))).status, 403);
  assert.equal((await w.post("simpleenroll", csr, asClient(expired))).status, 403);
  assert.equal((await w.post("simpleenroll", csr, asClient(nameless))).status, 403);
  const nobody = await w.post("simpleenroll", csr);
  assert.deepEqual([nobody.status, nobody.headers["www-authenticate"]], [401, 'Basic realm="estrealm"']);
  assert.equal(nobody.body.toString(), "", "[E27] a client without a name closes the challenge unread");
  const pkcs10 = { "Content-Type": "application/pkcs10", "User-Agent": "curl/8" };
  const named = await w.call("POST", "/.well-known/est/simpleenroll", { body: csr, headers: pkcs10 });
  assert.match(named.body.toString(), /^not_authenticated: /);
  const attempts = await w.attempts();
  assert.deepEqual(attempts.map(({ because }) => because).sort(), [
    "certificate_expired",
    "issuer_unknown",
    "not_authenticated",
    "serial_unusable",
  ]);
  assert.ok(attempts.every(({ verdict, fix, reason }) => verdict === "refused" && fix && reason));
});

test("a one-time code enrolls one device once; a lost answer is given again, a second key is not", async () => {
  await using w = await enrollmentWorld();
  const { code } = await w.enrollment.makeCode(defaultScope, { serial: "board-1", lifetimeS: 3_600, actor: operator });
  const csr = await csrFor("board-1", newKey());
  const wrong = await w.post("simpleenroll", csr, { user: "board-1", password: "0000-0000" });
  assert.equal(wrong.status, 401);
  assert.match(wrong.body.toString(), /^code_wrong: /);
  const first = await w.post("simpleenroll", csr, { user: "board-1", password: code.toUpperCase() });
  assert.equal(first.status, 200, first.body.toString());
  w.pass(minutes(9));
  const again = await w.post("simpleenroll", csr, { user: "board-1", password: code });
  assert.equal(certificateIn(again).serialNumber, certificateIn(first).serialNumber);
  const other = await w.post("simpleenroll", await csrFor("board-1", newKey()), { user: "board-1", password: code });
  assert.deepEqual([other.status, other.body.toString().split(":")[0]], [401, "code_spent"]);
  assert.equal((await w.registry.find("board-1"))?.lifecycle, "active");
  assert.equal((await w.post("simpleenroll", csr, { user: "board-2", password: code })).status, 401);
});

test("a one-time code expires, and five wrong guesses lock it", async () => {
  await using w = await enrollmentWorld();
  const csr = await csrFor("board-1", newKey());
  const late = await w.enrollment.makeCode(defaultScope, { serial: "board-1", lifetimeS: 60, actor: operator });
  w.pass(minutes(2));
  assert.match((await w.post("simpleenroll", csr, { user: "board-1", password: late.code })).body.toString(), /^code_expired/);
  const { code } = await w.enrollment.makeCode(defaultScope, { serial: "board-1", lifetimeS: 600, actor: operator });
  for (let i = 0; i < 5; i++)
    assert.equal((await w.post("simpleenroll", csr, { user: "board-1", password: `guess-${i}` })).status, 401);
  assert.match((await w.post("simpleenroll", csr, { user: "board-1", password: code })).body.toString(), /^code_locked/);
});

test("a device renews with its certificate: the old one lives until the new one was used, and a day more", async () => {
  await using w = await enrollmentWorld();
  const { device } = await trustedFactory(w);
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
  const old = await enrolled(w, "simpleenroll", { serial: "pump-1", client: asClient(await device("pump-1")) });
  assert.equal((await w.enrollment.admit(old.certificate)).is, "admit");
  w.pass(days(20));
  const fresh = await enrolled(w, "simplereenroll", { serial: "pump-1", client: old });
  assert.equal(fresh.certificate.subject, old.certificate.subject);
  w.pass(days(2));
  assert.equal((await w.enrollment.admit(old.certificate)).is, "admit", "the new one was never used");
  assert.equal((await w.enrollment.admit(fresh.certificate)).is, "admit");
  w.pass(hours(23));
  assert.equal((await w.enrollment.admit(old.certificate)).is, "admit", "within the overlap");
  w.pass(hours(2));
  const refused = await w.enrollment.admit(old.certificate);
  assert.deepEqual([refused.is, refused.is === "refuse" && refused.because], ["refuse", "certificate_superseded"]);
  assert.equal((await w.enrollment.admit(fresh.certificate)).is, "admit");
  assert.equal((await w.post("simplereenroll", await csrFor("pump-1", newKey()), old)).status, 403);
});

test("[E20] an IDevID may use simplereenroll for its first certificate, and a certificate simpleenroll for its renewal", async () => {
  await using w = await enrollmentWorld();
  const { device } = await trustedFactory(w);
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
  const first = await enrolled(w, "simplereenroll", { serial: "pump-1", client: asClient(await device("pump-1")) });
  const second = await enrolled(w, "simpleenroll", { serial: "pump-1", client: first });
  assert.equal(second.certificate.subject, "CN=pump-1");
  assert.deepEqual((await w.attempts()).map(({ because }) => because).sort(), ["enrolled", "renewed"]);
});

test("a renewal for another name, with a revoked certificate, or of a device out of service is refused", async () => {
  await using w = await enrollmentWorld();
  const { device } = await trustedFactory(w);
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }, { serial: "pump-2" }], actor: operator });
  const one = await enrolled(w, "simpleenroll", { serial: "pump-1", client: asClient(await device("pump-1")) });
  const two = await enrolled(w, "simpleenroll", { serial: "pump-2", client: asClient(await device("pump-2")) });
  const codeOf = async (serial: string, client: typeof one, key = newKey()) =>
    (await w.post("simplereenroll", await csrFor(serial, key), client)).body.toString().split(":")[0];
  assert.equal(await codeOf("pump-2", one), "subject_differs");
  assert.equal(await codeOf("pump-1", one, two.privateKey), "key_of_another_device");
  await w.enrollment.revoke(defaultScope, { serialNumber: one.certificate.serialNumber, because: "lost", actor: operator });
  assert.equal(await codeOf("pump-1", one), "certificate_revoked");
  await w.registry.setLifecycle(defaultScope, "pump-2", { to: "suspended", reason: "test", actor: operator });
  assert.equal(await codeOf("pump-2", two), "device_suspended");
  const admission = await w.enrollment.admit(two.certificate);
  assert.equal(admission.is === "refuse" && admission.because, "device_suspended");
});

test("the same request again within ten minutes brings the same certificate, later a new one", async () => {
  await using w = await enrollmentWorld();
  const { device } = await trustedFactory(w);
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
  const client = asClient(await device("pump-1"));
  const csr = await csrFor("pump-1", newKey());
  const serialOf = async () => certificateIn(await w.post("simpleenroll", csr, client)).serialNumber;
  const [first, second] = [await serialOf(), await serialOf()];
  assert.equal(first, second);
  w.pass(minutes(11));
  assert.notEqual(await serialOf(), first);
  const both = await Promise.all(
    [csrFor("pump-1", newKey()), csrFor("pump-1", newKey())].map(async (each) => w.post("simpleenroll", await each, client)),
  );
  assert.deepEqual(
    both.map(({ status }) => status),
    [200, 200],
  );
});

test("one serial number under two manufacturers is refused once the first has enrolled", async () => {
  await using w = await enrollmentWorld();
  const [acme, other] = [await trustedFactory(w), await trustedFactory(w)];
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "1" }], actor: operator });
  await enrolled(w, "simpleenroll", { serial: "1", client: asClient(await acme.device("1")) });
  const answer = await w.post("simpleenroll", await csrFor("1", newKey()), asClient(await other.device("1")));
  assert.match(answer.body.toString(), /^serial_of_another_manufacturer/);
});

test("cacerts needs no credential and brings the chain; csrattrs names P-256", async () => {
  await using w = await enrollmentWorld();
  const answer = await w.call("GET", "/.well-known/est/cacerts", { headers: { "User-Agent": "Cisco EST client" } });
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.rawHeaders.slice(0, 6), [
    "Content-Type",
    "application/pkcs7-mime; smime-type=certs-only",
    "Content-Transfer-Encoding",
    "base64",
    "Content-Length",
    String(answer.body.length),
  ]);
  assert.ok(
    answer.body
      .toString()
      .split("\n")
      .every((line) => line.length <= 64) && answer.body.toString().endsWith("\n"),
  );
  assert.equal(readCertsOnly(Buffer.from(answer.body.toString(), "base64")).length, 2);
  const nameless = await w.call("GET", "/.well-known/est/cacerts", { headers: { Accept: "*/*" } });
  assert.ok(!nameless.body.includes("\n"), "a client without a name gets one line");
  const plain = await w.call("GET", "/.well-known/est/factory-7/cacerts");
  assert.doesNotMatch(plain.body.toString(), /\n/, "strongSwan reads one line only");
  const attributes = await w.call("GET", "/.well-known/est/csrattrs");
  assert.deepEqual([attributes.status, attributes.headers["content-type"]], [200, "application/csrattrs"]);
});

test("paths, methods, types and sizes that EST does not know get the right 4xx or 501, as text", async () => {
  await using w = await enrollmentWorld();
  const body = { body: "AAAA", headers: { "Content-Type": "application/pkcs10" } };
  const status = async (method: string, path: string, given = {}) => {
    const answer = await w.call(method, path, given);
    assert.ok(answer.rawHeaders.includes("Content-Length"), `${method} ${path}`);
    return answer.status;
  };
  assert.equal(await status("GET", "/.well-known/est/nothing"), 404);
  assert.equal(await status("GET", "/.well-known/est/toString"), 404);
  assert.equal(await status("GET", "/.well-known/est/simpleenroll/cacerts"), 404);
  assert.equal(await status("GET", "/.well-known/est/bad%20label/cacerts"), 404);
  assert.equal((await w.call("GET", "/.well-known/est/simpleenroll")).headers.allow, "POST");
  assert.equal(await status("GET", "/.well-known/est/simpleenroll"), 405);
  assert.equal(await status("POST", "/.well-known/est/cacerts", body), 405);
  assert.equal(await status("POST", "/.well-known/est/serverkeygen", body), 501);
  assert.equal(await status("POST", "/.well-known/est/fullcmc", body), 501);
  assert.equal(
    await status("POST", "/.well-known/est/simpleenroll", { body: "AAAA", headers: { "Content-Type": "text/plain" } }),
    415,
  );
  assert.equal(await status("POST", "/.well-known/est/simpleenroll", { body: "AAAA" }), 415);
  assert.equal(await status("POST", "/.well-known/est/simpleenroll", { ...body, body: "A".repeat(17 * 1024) }), 413);
  assert.equal(await status("POST", "/.well-known/est/simpleenroll", { ...body, body: Buffer.alloc(64 * 1024, 65) }), 413);
  assert.equal(await status("POST", "/.well-known/est/simpleenroll", body), 400);
  assert.equal(await status("POST", "/.well-known/est/simpleenroll", { headers: body.headers }), 400);
});
