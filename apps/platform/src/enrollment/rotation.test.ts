import assert from "node:assert/strict";
import type { X509Certificate } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { days, defaultScope, minutes } from "@tenfold/base";
import { identityNotice } from "@tenfold/contracts";
import { certificateFingerprint, fromPem, isCertifiedBy, readCertificate, readCertsOnly, sameName, toPem } from "@tenfold/pki";
import { createEnrollment } from "./index.ts";
import { judgeRotation } from "./rotation.ts";
import {
  asClient,
  type Client,
  certificateIn,
  csrFor,
  enrolled,
  enrollmentWorld,
  newKey,
  operator,
  trustedFactory,
  type World,
} from "./testing.ts";

type Pretend = { serial: string; trusted: string; client: Client & { certificate: X509Certificate } };

/** Devices that believe what they were told, ask with it, and never believe anything else. */
async function fleet(w: World, size: number): Promise<Pretend[]> {
  const { device } = await trustedFactory(w);
  const serials = Array.from({ length: size }, (_, i) => `pump-${i}`);
  await w.enrollment.announce(defaultScope, { entries: serials.map((serial) => ({ serial })), actor: operator });
  const devices: Pretend[] = [];
  for (const serial of serials) {
    const client = await enrolled(w, "simpleenroll", { serial, client: asClient(await device(serial)) });
    devices.push({ serial, trusted: w.enrollment.trustedCaPem, client });
  }
  return devices;
}

/** [RFC 7030 4.1.3] Takes new roots only where one that it believes has certified them; then says so, as in a heartbeat. */
async function refresh(w: World, device: Pretend): Promise<void> {
  const answer = await w.call("GET", "/.well-known/est/cacerts", { ca: device.trusted });
  const offered = readCertsOnly(Buffer.from(answer.body.toString("latin1"), "base64")).map(readCertificate);
  const believed = fromPem("CERTIFICATE", device.trusted).map(readCertificate);
  const roots = offered
    .filter((one) => sameName(one.subject, one.issuer))
    .filter(
      (root) =>
        believed.some(({ der }) => der.equals(root.der)) ||
        offered.some(
          (cross) =>
            cross.publicKey.der.equals(root.publicKey.der) &&
            believed.some((anchor) => isCertifiedBy(cross, anchor, w.clock.now())),
        ),
    );
  assert.ok(roots.length > 0, `${device.serial} is left without trust`);
  device.trusted = roots.map(({ der }) => toPem("CERTIFICATE", der)).join("");
  const report = {
    scope: defaultScope,
    device: device.serial,
    at: w.clock.now(),
    roots: roots.map(({ fingerprint }) => fingerprint),
  };
  await w.enrollment.rotations.observeTrust([report]);
}

async function renew(w: World, device: Pretend): Promise<void> {
  device.client = await enrolled(w, "simplereenroll", { serial: device.serial, client: { ...device.client, ca: device.trusted } });
}

/** It reaches the server by the roots that it believes, and is let in. */
async function connects(w: World, device: Pretend): Promise<void> {
  assert.equal((await w.call("GET", "/.well-known/est/csrattrs", { ca: device.trusted })).status, 200);
  assert.equal((await w.enrollment.admit(device.client.certificate)).is, "admit", device.serial);
}

const status = async (w: World) => (await w.enrollment.rotations.list())[0];

test("drill: a root is rotated under five devices from start to finish, and none is left behind", async () => {
  await using w = await enrollmentWorld();
  const { rotations } = w.enrollment;
  const devices = await fleet(w, 5);
  const everybodyConnects = async () => {
    for (const device of devices) await connects(w, device);
  };
  const firstRoot = w.enrollment.trustedCaPem;
  await everybodyConnects();
  const { id } = await rotations.rotate({ kind: "root", share: 1, actor: operator });
  await everybodyConnects();

  assert.equal(await rotations.advance(), undefined, "nobody has the new trust yet");
  for (const device of devices.slice(1)) await refresh(w, device);
  assert.equal(await rotations.advance(), undefined);
  const waiting = await status(w);
  assert.deepEqual([waiting?.gate.withNewTrust, waiting?.gate.activeDevices, waiting?.gate.stragglers.length], [4, 5, 5]);
  assert.match(waiting?.gate.waitsFor ?? "", /^5 of 5 active devices to believe the new root; 4 do$/);
  for (const device of devices) await refresh(w, device);

  await rotations.hold({ id, because: "a person looks", actor: operator });
  assert.equal(await rotations.advance(), undefined, "held");
  assert.equal((await status(w))?.heldBecause, "a person looks");
  await rotations.resume({ id, because: "looked", actor: operator });
  assert.equal(await rotations.advance(), "serve");
  const chain = fromPem("CERTIFICATE", w.enrollment.serverTls().cert).map(readCertificate);
  assert.equal(chain.length, 3, "server, new issuing CA, new with old");
  await everybodyConnects();
  assert.equal((await w.call("GET", "/.well-known/est/csrattrs", { ca: firstRoot })).status, 200, "who believes the old root only");

  assert.equal(await rotations.advance(), "issue");
  await assert.rejects(rotations.abort({ id, because: "too late", actor: operator }), { code: "rotation_not_abortable" });
  assert.equal(await rotations.advance(), undefined, "old certificates are in use");
  assert.match((await status(w))?.gate.waitsFor ?? "", /^5 certificates of the old authority/);
  for (const device of devices) await renew(w, device);
  await everybodyConnects();
  assert.equal(await rotations.advance(), "done");

  for (const device of devices) await refresh(w, device);
  await everybodyConnects();
  assert.notEqual(w.enrollment.trustedCaPem, firstRoot);
  assert.equal(fromPem("CERTIFICATE", w.enrollment.trustedCaPem).length, 1);
  assert.equal(await readFile(join(w.dataDir, "pki", "ca.pem"), "utf8"), w.enrollment.trustedCaPem);
  await assert.rejects(w.call("GET", "/.well-known/est/csrattrs", { ca: firstRoot }), "the old root vouches for nobody now");
  const again = await createEnrollment({ ...w.deps, hostnames: [] });
  assert.equal(again.trustedCaPem, w.enrollment.trustedCaPem, "a restart finds the new root");
  await again.stop();
  assert.equal((await w.access.verifyAudit()).intact, true);
});

test("devices are told of new roots at once, and to renew before their time once certificates come from the new authority", async () => {
  const told: string[] = [];
  await using w = await enrollmentWorld({
    rotationWithin: minutes(10),
    refresh: (device) => told.push(device) > 0,
  });
  const { rotations } = w.enrollment;
  const noticeOf = async (device: string) => identityNotice.parse((await w.enrollment.notice([device])).get(device));
  const devices = await fleet(w, 2);
  for (const device of devices) await connects(w, device);
  assert.equal((await noticeOf("pump-0")).trust.generation, 1);
  const { id } = await rotations.rotate({ kind: "root", share: 1, actor: operator });
  assert.deepEqual(told, ["pump-0", "pump-1"]);
  const { trust, renewWithinS } = await noticeOf("pump-1");
  assert.deepEqual([trust.generation, trust.roots.length, renewWithinS], [2, 2, undefined]);
  await rotations.abort({ id, because: "a drill", actor: operator });
  assert.deepEqual([told.length, (await noticeOf("pump-1")).trust.generation], [4, 3]);
  await rotations.rotate({ kind: "root", share: 1, actor: operator });
  for (const device of devices) await refresh(w, device);
  assert.deepEqual([await rotations.advance(), await rotations.advance()], ["serve", "issue"]);
  assert.deepEqual(told.slice(-2), ["pump-0", "pump-1"]);
  assert.deepEqual([(await noticeOf("pump-0")).renewWithinS, (await noticeOf("pump-1")).renewWithinS], [600, 600]);
  await renew(w, devices[0] ?? assert.fail());
  assert.deepEqual([(await noticeOf("pump-0")).renewWithinS, (await noticeOf("pump-1")).renewWithinS], [undefined, 600]);
  const before = told.length;
  await rotations.advance();
  assert.equal(told.length, before, "nothing has changed");
});

test("an issuing CA is rotated without any new trust; the old one's revocation list goes on", async () => {
  await using w = await enrollmentWorld();
  const { rotations } = w.enrollment;
  const [device] = await fleet(w, 1);
  assert.ok(device);
  await connects(w, device);
  const before = device.client.certificate.issuer;
  const list = /https:\/\/localhost:8443(\/crl\/[0-9a-f]+\.crl)/.exec(device.client.certificate.raw.toString("latin1"))?.[1] ?? "";
  await rotations.rotate({ kind: "issuing", share: 1, actor: operator });
  assert.deepEqual(
    [await rotations.advance(), await rotations.advance(), await rotations.advance()],
    ["serve", "issue", undefined],
  );
  await connects(w, device);
  await renew(w, device);
  assert.notEqual(device.client.certificate.issuer, before);
  await connects(w, device);
  assert.equal(await rotations.advance(), "done");
  await connects(w, device);
  assert.equal(fromPem("CERTIFICATE", w.enrollment.trustedCaPem).length, 1);
  assert.equal((await w.call("GET", list)).status, 200);
});

test("a rotation that is aborted leaves everything as it was; a second one at a time, and one without the root's key, are refused", async () => {
  await using w = await enrollmentWorld();
  const { rotations } = w.enrollment;
  const trusted = w.enrollment.trustedCaPem;
  const serving = w.enrollment.serverTls().cert;
  const { id } = await rotations.rotate({ kind: "root", share: 1, actor: operator });
  await assert.rejects(rotations.rotate({ kind: "issuing", share: 1, actor: operator }), { code: "rotation_open" });
  assert.equal(await rotations.advance(), "serve", "there is nobody to wait for");
  assert.notEqual(w.enrollment.serverTls().cert, serving);
  assert.equal((await rotations.abort({ id, because: "changed our mind", actor: operator })).phase, "aborted");
  assert.equal(w.enrollment.trustedCaPem, trusted);
  const leaf = fromPem("CERTIFICATE", w.enrollment.serverTls().cert)[1];
  assert.equal(leaf && certificateFingerprint(leaf), certificateFingerprint(fromPem("CERTIFICATE", serving)[1] ?? Buffer.alloc(0)));
  await assert.rejects(rotations.hold({ id, because: "x", actor: operator }), { code: "rotation_ended" });
  await assert.rejects(rotations.resume({ id: "rot_none", because: "x", actor: operator }), { code: "rotation_unknown" });
  await rm(join(w.dataDir, "pki", "root.key"));
  const offLine = await createEnrollment(w.deps);
  await assert.rejects(offLine.rotations.rotate({ kind: "root", share: 1, actor: operator }), { code: "root_key_off_line" });
  await offLine.stop();
});

test("a device that sleeps past its end within the grace still holds a rotation back, and comes home through it", async () => {
  await using w = await enrollmentWorld({ certificateLifetime: days(2), renewalGrace: days(5) });
  const { rotations } = w.enrollment;
  const [sleeper] = await fleet(w, 1);
  assert.ok(sleeper);
  await rotations.rotate({ kind: "issuing", share: 1, actor: operator });
  await rotations.advance();
  await rotations.advance();
  w.pass(days(4));
  assert.equal(await rotations.advance(), undefined);
  assert.deepEqual((await status(w))?.gate.stragglers, [sleeper.serial]);
  const answer = await w.post("simplereenroll", await csrFor(sleeper.serial, newKey()), sleeper.client);
  assert.equal((await w.enrollment.admit(certificateIn(answer))).is, "admit");
  assert.equal(await rotations.advance(), "done");
});

test("a gate counts shares upwards, and a plan that is held waits for a person whatever the counts say", () => {
  const plan = { kind: "root", phase: "distribute", share: 0.9, heldBecause: undefined } as const;
  const facts = { activeDevices: 11, withNewTrust: 9, oldCertificates: 0 };
  assert.equal(judgeRotation(plan, facts).open, false);
  assert.equal(judgeRotation(plan, { ...facts, withNewTrust: 10 }).open, true);
  assert.deepEqual(judgeRotation({ ...plan, heldBecause: "no" }, { ...facts, withNewTrust: 11 }), {
    open: false,
    waitsFor: "a person: no",
    next: "serve",
  });
  assert.equal(judgeRotation({ ...plan, phase: "issue" }, { ...facts, withNewTrust: 10 }).open, false, "the end needs everybody");
  assert.equal(judgeRotation({ ...plan, phase: "done" }, facts).next, undefined);
});
