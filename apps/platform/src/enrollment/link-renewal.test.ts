import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { defaultScope, minutes } from "@tenfold/base";
import { type RenewalAnswer, renewalAnswer } from "@tenfold/contracts";
import { certificateFingerprint, readCertificate } from "@tenfold/pki";
import type { EnrollmentDeps } from "./deps.ts";
import { asClient, csrFor, enrolled, enrollmentWorld, newKey, operator, trustedFactory } from "./testing.ts";

/** An enrolled pump-1 with a link, and what the platform says down it. */
async function linked(options: Partial<EnrollmentDeps> = {}) {
  const heard: RenewalAnswer[] = [];
  const w = await enrollmentWorld({
    ...options,
    send: (device, { topic, payload }) => {
      assert.deepEqual([device, topic], ["pump-1", "identity/certificate"]);
      heard.push(renewalAnswer.parse(JSON.parse(payload)));
      return true;
    },
  });
  const { device } = await trustedFactory(w);
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
  const { certificate } = await enrolled(w, "simpleenroll", { serial: "pump-1", client: asClient(await device("pump-1")) });
  const fingerprint = certificateFingerprint(certificate.raw);
  const ask = async (csr: string, shown: string | undefined = fingerprint) =>
    w.enrollment.renewOnLink({ device: "pump-1", scope: defaultScope, fingerprint: shown, payload: Buffer.from(csr) });
  const answers = async (csr: string, shown?: string) => {
    assert.deepEqual(await ask(csr, shown), { is: "stored" });
    const answer = heard.at(-1);
    assert.equal(answer?.request, createHash("sha256").update(csr).digest("hex"));
    return answer;
  };
  return { w, ask, answers, certificate, fingerprint, [Symbol.asyncDispose]: () => w[Symbol.asyncDispose]() };
}

test("[3.11] a device renews over its link with a new key, and the log says which way; the same request brings the same certificate", async () => {
  await using device = await linked();
  const { w, answers } = device;
  const key = newKey();
  const csr = await csrFor("pump-1", key);
  const first = await answers(csr);
  assert.ok(first?.is === "issued");
  const renewed = readCertificate(Buffer.from(first.certificate, "base64"));
  assert.notEqual(renewed.serialNumber, device.certificate.serialNumber.toLowerCase());
  const again = await answers(csr);
  assert.deepEqual(again, first);
  const renewals = (await w.attempts()).filter(({ operation }) => operation === "link_renewal");
  assert.deepEqual(
    renewals.map(({ because, method, verdict }) => [because, method, verdict]),
    [["renewed", "ldevid", "issued"]],
  );
  // The new one opens the next link, and renews there: the old one is superseded by that first use.
  const next = certificateFingerprint(renewed.der);
  assert.equal((await w.enrollment.admit({ raw: Buffer.from(renewed.der) })).is, "admit");
  assert.equal((await answers(await csrFor("pump-1", newKey()), next))?.is, "issued");
});

test("a copy that renews over its link what the device has replaced is the same proof of a fork as over EST", async () => {
  await using device = await linked();
  const { w, answers } = device;
  const first = await answers(await csrFor("pump-1", newKey()));
  assert.ok(first?.is === "issued");
  await w.enrollment.admit({ raw: Buffer.from(first.certificate, "base64") });
  const copy = await answers(await csrFor("pump-1", newKey()));
  assert.deepEqual(copy?.is === "refused" && copy.code, "generation_forked");
  assert.equal((await w.registry.find("pump-1"))?.lifecycle, "quarantined");
});

test("what EST would refuse is refused on a link, by the same code and with the fix", async () => {
  await using device = await linked();
  const { w, answers, ask, certificate } = device;
  const code = async (csr: string) => {
    const answer = await answers(csr);
    return answer?.is === "refused" && answer.fix !== undefined && answer.retryAfterS === undefined && answer.code;
  };
  assert.equal(await code("no request"), "request_malformed");
  assert.equal(await code(await csrFor("pump-2", newKey())), "subject_differs");
  await w.enrollment.revoke(defaultScope, {
    serialNumber: certificate.serialNumber.toLowerCase(),
    because: "lost",
    actor: operator,
  });
  assert.equal(await code(await csrFor("pump-1", newKey())), "certificate_revoked");
  const nobody = await w.enrollment.renewOnLink({ device: "pump-1", scope: defaultScope, payload: Buffer.from("x") });
  assert.equal(nobody.is === "refused" && nobody.because, "renewal_needs_link");
  assert.equal((await ask("x", "0".repeat(64))).is, "refused");
});

test("where linking is demanded a link is no way to renew: it can name no connection", async () => {
  const heard: RenewalAnswer[] = [];
  const send = (_: string, { payload }: { payload: string }) => heard.push(renewalAnswer.parse(JSON.parse(payload))) > 0;
  await using w = await enrollmentWorld({ linking: "required", send });
  const { device } = await trustedFactory(w);
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
  const idevid = await device("pump-1");
  const csr = async () => Buffer.from(await csrFor("pump-1", newKey()));
  const shown = { chain: [idevid.certificate.der], basic: undefined };
  const first = await w.enrollment.enroll({ operation: "simpleenroll", body: await csr(), shown, remoteAddress: undefined });
  assert.ok(first.is === "issued");
  const fingerprint = certificateFingerprint(first.der);
  await w.enrollment.renewOnLink({ device: "pump-1", scope: defaultScope, fingerprint, payload: await csr() });
  assert.equal(heard[0]?.is === "refused" && heard[0].code, "linking_missing");
});

test("who asks too often over a link is told for how long to wait", async () => {
  await using hasty = await linked({ requestsPerMinute: 2 });
  await hasty.answers(await csrFor("pump-1", newKey()));
  await hasty.answers(await csrFor("pump-1", newKey()));
  const third = await hasty.answers(await csrFor("pump-1", newKey()));
  assert.ok(third?.is === "refused" && third.code === "rate_limited" && (third.retryAfterS ?? 0) > 0);
  hasty.w.pass(minutes(1));
  assert.equal((await hasty.answers(await csrFor("pump-1", newKey())))?.is, "issued");
});
