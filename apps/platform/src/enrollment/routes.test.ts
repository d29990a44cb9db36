import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultScope } from "@tenfold/base";
import { makeDeviceIdentity, makeManufacturer, toPem } from "@tenfold/pki";
import { createHttp, silentLog } from "../kernel/index.ts";
import { asClient, csrFor, enrolled, enrollmentWorld, newKey, operator, start, trustedFactory, type World } from "./testing.ts";

/** The operator API over a world, asked as an administrator, or as `role`. */
async function apiOf(w: World) {
  const app = await createHttp({
    log: silentLog,
    version: "test",
    answers: "validate",
    authenticate: async ({ headers }) => ({
      actor: operator,
      role: headers.authorization === "viewer" ? "viewer" : "admin",
      scope: defaultScope,
    }),
  });
  w.enrollment.routes(app);
  const call = async (
    method: "GET" | "POST" | "DELETE",
    path: string,
    { body, role = "admin" }: { body?: unknown; role?: string } = {},
  ) => {
    const answer = await app.inject({
      method,
      url: `/api/v1${path}`,
      headers: { authorization: role },
      ...(body === undefined ? {} : { payload: body as object }),
    });
    return { status: answer.statusCode, body: answer.json<Record<string, unknown> & { items: Record<string, unknown>[] }>() };
  };
  return { call, [Symbol.asyncDispose]: () => app.close() };
}

test("an operator trusts a manufacturer, announces devices, approves one, and sees it all in the log", async () => {
  await using w = await enrollmentWorld();
  await using api = await apiOf(w);
  const manufacturer = await makeManufacturer({ now: start - 1_000 });
  const certificatePem = toPem("CERTIFICATE", manufacturer.certificate.der);
  const anchor = await api.call("POST", "/trust-anchors", { body: { name: "Acme", certificatePem } });
  assert.deepEqual([anchor.status, anchor.body.unknownDevices], [201, "approve"]);
  assert.equal(
    (await api.call("POST", "/trust-anchors", { body: { name: "Acme", certificatePem } })).body.code,
    "trust_anchor_exists",
  );
  const manifest = { body: { entries: [{ serial: "pump-1" }, { serial: "pump-2" }] } };
  assert.deepEqual((await api.call("POST", "/manifests", manifest)).body, { expected: 2, already: 0 });
  assert.deepEqual((await api.call("POST", "/manifests", manifest)).body, { expected: 0, already: 2 });

  const stranger = asClient(await makeDeviceIdentity({ manufacturer, serial: "pump-9", notBefore: start - 1_000 }));
  const csr = await csrFor("pump-9", newKey());
  assert.equal((await w.post("simpleenroll", csr, stranger)).status, 202);
  const [pending] = (await api.call("GET", "/enrollments/pending")).body.items;
  assert.equal(pending?.serial, "pump-9");
  assert.equal((await api.call("POST", `/enrollments/pending/${pending?.id}/approve`)).status, 200);
  assert.equal((await api.call("POST", `/enrollments/pending/${pending?.id}/approve`)).body.code, "pending_enrollment_decided");
  w.pass(1_000);
  assert.equal((await api.call("POST", "/enrollments/pending/pen_none/reject", { body: { reason: "x" } })).status, 404);
  assert.equal((await w.post("simpleenroll", csr, stranger)).status, 200);

  const trust = (await api.call("GET", "/devices/pump-9/trust")).body;
  assert.deepEqual([trust.level, trust.because], [0, "A person let it in."]);
  assert.equal((await api.call("GET", "/devices/pump-99/trust")).body.code, "device_unknown");

  const log = (await api.call("GET", "/enrollments?limit=1")).body;
  assert.deepEqual([log.items.length, log.items[0]?.verdict, typeof log.nextCursor], [1, "issued", "string"]);
  const older = (await api.call("GET", `/enrollments?cursor=${log.nextCursor}`)).body;
  assert.deepEqual([older.items[0]?.verdict, older.nextCursor], ["pending", undefined]);
  const [certificate] = (await api.call("GET", "/certificates?device=pump-9")).body.items;
  const revoked = await api.call("POST", `/certificates/${certificate?.serialNumber}/revoke`, { body: { reason: "lost" } });
  assert.deepEqual([revoked.status, revoked.body.state, revoked.body.revokedBecause], [200, "revoked", "lost"]);
  assert.equal((await api.call("DELETE", `/trust-anchors/${anchor.body.id}`)).status, 200);
  assert.equal((await w.post("simpleenroll", await csrFor("pump-9", newKey()), stranger)).status, 403);
  assert.deepEqual((await w.access.verifyAudit()).intact, true);
});

test("what is no CA certificate cannot be trusted, and who may only look changes nothing", async () => {
  await using w = await enrollmentWorld();
  await using api = await apiOf(w);
  const leaf = w.enrollment.serverTls().cert.split("-----END CERTIFICATE-----")[0];
  for (const certificatePem of [
    "nonsense",
    `${leaf}-----END CERTIFICATE-----`,
    w.enrollment.trustedCaPem + w.enrollment.trustedCaPem,
  ]) {
    const answer = await api.call("POST", "/trust-anchors", { body: { name: "x", certificatePem } });
    assert.deepEqual([answer.status, answer.body.code, answer.body.field], [422, "trust_anchor_unusable", "certificatePem"]);
  }
  assert.equal((await api.call("POST", "/enrollment-codes", { body: { serial: "board-1" }, role: "viewer" })).status, 403);
  const code = await api.call("POST", "/enrollment-codes", { body: { serial: "board-1" } });
  assert.match(String(code.body.code), /^([0-9a-z]{4}-){3}[0-9a-z]{4}$/);
  assert.equal((await api.call("DELETE", "/trust-anchors/anc_none")).status, 404);
});

test("many certificates are revoked in one step, or none when one of them does not exist", async () => {
  await using w = await enrollmentWorld();
  await using api = await apiOf(w);
  const { device } = await trustedFactory(w);
  const serials = ["pump-1", "pump-2", "pump-3"];
  await w.enrollment.announce(defaultScope, { entries: serials.map((serial) => ({ serial })), actor: operator });
  const clients = await Promise.all(
    serials.map(async (serial) => enrolled(w, "simpleenroll", { serial, client: asClient(await device(serial)) })),
  );
  const numbers = clients.map(({ certificate }) => certificate.serialNumber);
  const heard: string[] = [];
  w.enrollment.onRevoked(({ device: id }) => void heard.push(id));
  const revoke = (serialNumbers: string[]) =>
    api.call("POST", "/certificates/revoke", { body: { serialNumbers, reason: "the batch was stolen" } });
  assert.equal((await revoke([...numbers, "00ff"])).body.code, "certificate_unknown");
  assert.deepEqual(heard, []);
  assert.deepEqual((await revoke(numbers.slice(0, 2))).body, { revoked: 2, already: 0 });
  assert.deepEqual((await revoke(numbers)).body, { revoked: 1, already: 2 });
  assert.deepEqual(heard.sort(), serials);
  for (const { certificate } of clients) assert.equal((await w.enrollment.admit(certificate)).is, "refuse");
  assert.equal((await w.access.verifyAudit()).intact, true);
});

test("certificates that are revoked one by one at the same time each get their answer and their audit entry", async () => {
  await using w = await enrollmentWorld();
  const { device } = await trustedFactory(w);
  const serials = Array.from({ length: 8 }, (_, i) => `pump-${i}`);
  await w.enrollment.announce(defaultScope, { entries: serials.map((serial) => ({ serial })), actor: operator });
  const clients = await Promise.all(
    serials.map(async (serial) => enrolled(w, "simpleenroll", { serial, client: asClient(await device(serial)) })),
  );
  const revoked = await Promise.all(
    clients.map(({ certificate: { serialNumber } }, i) =>
      w.enrollment.revoke(defaultScope, { serialNumber, because: `reason ${i}`, actor: operator }),
    ),
  );
  assert.deepEqual(
    revoked.map((one) => [one.device, one.state, one.revokedBecause]),
    serials.map((serial, i) => [serial, "revoked", `reason ${i}`]),
  );
  const trail = await w.access.verifyAudit();
  assert.deepEqual([trail.intact, trail.entries >= serials.length + 2], [true, true]);
});
