import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { days, defaultScope, minutes } from "@tenfold/base";
import { makeDeviceIdentity, makeManufacturer, readCrl } from "@tenfold/pki";
import { asClient, enrolled, enrollmentWorld, operator, start, trustedFactory, type World } from "./testing.ts";

async function pump(w: World, serial = "pump-1") {
  const { device } = await trustedFactory(w);
  await w.enrollment.announce(defaultScope, { entries: [{ serial }], actor: operator });
  const identity = await device(serial);
  return { identity, ...(await enrolled(w, "simpleenroll", { serial, client: asClient(identity) })) };
}

const because = async (w: World, certificate: X509Certificate) => {
  const verdict = await w.enrollment.admit(certificate);
  return verdict.is === "refuse" ? verdict.because : verdict.is;
};

test("a certificate of ours is admitted with its device and fleet; its first use makes it active", async () => {
  await using w = await enrollmentWorld();
  const { certificate } = await pump(w);
  const fingerprint = certificate.fingerprint256.replaceAll(":", "").toLowerCase();
  const issuedAt = w.clock.now();
  assert.deepEqual(await w.enrollment.admit(certificate), {
    is: "admit",
    device: "pump-1",
    scope: defaultScope,
    fingerprint,
    issuedAt,
  });
  const { findByFingerprint } = await import("./certificate-store.shell.ts");
  assert.equal((await findByFingerprint(w.db, fingerprint))?.state, "active");
});

test("every certificate that may not connect is refused with its own reason, and the refusal is logged", async () => {
  await using w = await enrollmentWorld({ certificateLifetime: days(2) });
  const { certificate, identity } = await pump(w);
  const stranger = await makeDeviceIdentity({
    manufacturer: await makeManufacturer({ now: start - 1_000 }),
    serial: "pump-1",
    notBefore: start - 1_000,
  });
  assert.equal(await because(w, new X509Certificate(stranger.certificate.der)), "unknown_issuer");
  assert.equal(await because(w, new X509Certificate(identity.certificate.der)), "not_enrolled");
  assert.equal(await because(w, new X509Certificate(w.enrollment.serverTls().cert)), "certificate_invalid");
  await w.registry.setLifecycle(defaultScope, "pump-1", { to: "quarantined", reason: "test", actor: operator });
  assert.equal(await because(w, certificate), "device_quarantined");
  await w.registry.setLifecycle(defaultScope, "pump-1", { to: "active", reason: "test", actor: operator });
  w.pass(days(3));
  assert.equal(await because(w, certificate), "certificate_expired");
  const logged = (await w.attempts()).filter(({ operation }) => operation === "connect");
  assert.deepEqual(logged.map((attempt) => attempt.because).sort(), [
    "certificate_expired",
    "certificate_invalid",
    "device_quarantined",
    "not_enrolled",
    "unknown_issuer",
  ]);
});

test("revoking tells those who hold connections, refuses from now on, and stands in the revocation list", async () => {
  await using w = await enrollmentWorld();
  const { certificate } = await pump(w);
  const facts: { device: string }[] = [];
  w.enrollment.onRevoked((fact) => void facts.push(fact));
  assert.equal(await because(w, certificate), "admit");
  const wish = { serialNumber: certificate.serialNumber, because: "stolen", actor: operator };
  assert.equal((await w.enrollment.revoke(defaultScope, wish)).state, "revoked");
  await w.enrollment.revoke(defaultScope, wish);
  assert.deepEqual(
    facts.map(({ device }) => device),
    ["pump-1"],
  );
  assert.ok(w.events.some(({ type, subject }) => type === "certificate.revoked" && subject === "pump-1"));
  assert.equal(await because(w, certificate), "certificate_revoked");
  const uri =
    /URI:(\S+)/.exec(certificate.toLegacyObject().raw.toString("latin1")) ??
    /https:\/\/localhost:8443(\/crl\/[0-9a-f]+\.crl)/.exec(certificate.raw.toString("latin1"));
  const answer = await w.call("GET", uri?.[1] ?? "");
  assert.equal(answer.status, 200);
  assert.ok(readCrl(answer.body).serialNumbers.has(certificate.serialNumber.toLowerCase()));
  assert.equal((await w.call("GET", "/crl/other.crl")).status, 404);
  await assert.rejects(w.enrollment.revoke(defaultScope, { ...wish, serialNumber: "00ff" }), { code: "certificate_unknown" });
});

test("retiring a device revokes its certificates", async () => {
  await using w = await enrollmentWorld();
  const { certificate } = await pump(w);
  const revoked = new Promise<{ device: string }>((resolve) => w.enrollment.onRevoked(resolve));
  await w.registry.setLifecycle(defaultScope, "pump-1", { to: "retired", reason: "end of life", actor: operator });
  assert.equal((await revoked).device, "pump-1");
  assert.equal(await because(w, certificate), "certificate_revoked");
});

test("a client that is refused again and again is one line a minute with its count, whoever it pretends to be", async () => {
  await using w = await enrollmentWorld();
  const manufacturer = await makeManufacturer({ now: start - 1_000 });
  const stranger = new X509Certificate(
    (await makeDeviceIdentity({ manufacturer, serial: "x", notBefore: start - 1_000 })).certificate.der,
  );
  for (let i = 0; i < 50; i++) await w.enrollment.admit(stranger, { remoteAddress: "192.0.2.1" });
  w.pass(minutes(1));
  await w.enrollment.admit(stranger);
  assert.deepEqual((await w.attempts()).map(({ count }) => count).sort(), [1, 50]);
  w.pass(minutes(1));
  const guess = (i: number) => w.post("simpleenroll", "AAAA", { user: `guess-${i}`, password: "x" });
  for (let i = 0; i < 400; i += 40) await Promise.all(Array.from({ length: 40 }, (_, j) => guess(i + j)));
  assert.ok((await w.attempts()).length <= 100);
  const { rows } = await (await import("kysely")).sql<{ rows: number }>`select count(*) as rows from enrollment.attempt`.execute(
    w.db,
  );
  assert.ok((rows[0]?.rows ?? 0) <= 304, `${rows[0]?.rows} rows`);
});
