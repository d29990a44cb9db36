import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { days } from "@tenfold/base";
import {
  createAuthority,
  createIssuing,
  issueCertificate,
  issueCrl,
  issuerOf,
  makeName,
  newSigner,
  oids,
  randomSerial,
  readToBeSigned,
  type Signer,
} from "@tenfold/pki";
import { createEnrollment } from "./index.ts";
import { refusalToSign, type SigningPolicy } from "./may-sign.ts";
import { askingKeyStore } from "./signing.shell.ts";
import { enrollmentWorld, start } from "./testing.ts";

const policy: SigningPolicy = { deviceLifetime: days(30), hostnames: ["fleet.example"] };

/** What a signer is asked to sign, kept instead of signed. */
function listening(signer: Signer) {
  const heard: Buffer[] = [];
  const sign = (bytes: Buffer) => {
    heard.push(bytes);
    return signer.sign(bytes);
  };
  return { heard, signer: { ...signer, sign } };
}

test("the keeper of the keys signs devices' and servers' certificates and revocation lists, and nothing that would be an authority", async () => {
  const { issuing } = await createAuthority(start);
  const other = await createAuthority(start, "Somebody Else");
  const { heard, signer } = listening(issuing.signer);
  const own = { certificate: issuing.certificate, signer };
  const certify = (wish: { usage: "device" | "server"; lifetime?: number; names?: string[]; issuer?: typeof own }) =>
    issueCertificate({
      issuer: { ...issuerOf(wish.issuer ?? own), signer },
      subject: makeName([{ type: oids.commonName, value: "pump-1" }]),
      publicKey: newSigner().publicKey,
      serial: randomSerial(),
      notBefore: start,
      notAfter: start + (wish.lifetime ?? days(30)),
      usage: wish.usage,
      alternativeNames: (wish.names ?? []).map((value) => ({ kind: "dns" as const, value })),
    });
  const verdict = async (ask: () => Promise<unknown>) => {
    await ask();
    return refusalToSign(readToBeSigned(heard.at(-1) ?? Buffer.alloc(0)), own, policy);
  };
  assert.equal(await verdict(() => certify({ usage: "device" })), undefined);
  assert.equal(
    await verdict(() => certify({ usage: "server", lifetime: days(90), names: ["fleet.example", "localhost", "links-0"] })),
    undefined,
  );
  const list = { number: 1, thisUpdate: start, nextUpdate: start + days(1), revoked: [] };
  assert.equal(await verdict(() => issueCrl({ ...list, issuer: issuerOf(own) })), undefined);

  assert.match((await verdict(() => certify({ usage: "device", lifetime: days(300) }))) ?? "", /live too long/);
  assert.match((await verdict(() => certify({ usage: "server", names: ["bank.example"] }))) ?? "", /bank\.example/);
  assert.match((await verdict(() => certify({ usage: "device", issuer: { ...other.issuing, signer } }))) ?? "", /another issuer/);
  assert.match(
    (await verdict(() => issueCrl({ ...list, issuer: { ...issuerOf(other.issuing), signer } }))) ?? "",
    /another issuer/,
  );
  const ca = () =>
    createIssuing(own, {
      signer: newSigner(),
      name: [{ type: oids.commonName, value: "Mine" }],
      now: start,
      lifetime: days(10),
    });
  assert.match((await verdict(ca)) ?? "", /authority/);
  assert.throws(() => readToBeSigned(Buffer.from("sign this")), { code: "der_malformed" });
});

test("a process without keys enrolls and shows a certificate of the same authority; its folder holds no authority's key", {
  timeout: 60_000,
}, async () => {
  await using world = await enrollmentWorld({ authority: "keep" });
  const dataDir = await mkdtemp(join(tmpdir(), "tenfold-test-links-"));
  const other = await createEnrollment({ ...world.deps, dataDir, authority: "ask" });
  try {
    assert.equal(other.trustedCaPem, world.enrollment.trustedCaPem);
    assert.notEqual(other.serverTls().key, world.enrollment.serverTls().key);
    assert.deepEqual(
      (await readdir(join(dataDir, "pki"))).filter((name) => name.endsWith(".key")),
      ["server.key"],
    );
    const chain = (pem: string) => pem.split("-----BEGIN").slice(2).join();
    assert.equal(chain(other.serverTls().cert), chain(world.enrollment.serverTls().cert));
  } finally {
    await other.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
});

test("what the keeper refuses is told to who asked, with what to set", { timeout: 60_000 }, async () => {
  await using world = await enrollmentWorld({ authority: "keep" });
  const dataDir = await mkdtemp(join(tmpdir(), "tenfold-test-links-"));
  const stranger = createEnrollment({ ...world.deps, dataDir, authority: "ask", hostnames: ["bank.example"] });
  await assert.rejects(stranger, { code: "authority_refused", message: /bank\.example/ });
  await rm(dataDir, { recursive: true, force: true });
});

test("with no keeper at work, who asks is told so in time; a second authority on the same database is refused", {
  timeout: 60_000,
}, async () => {
  await using world = await enrollmentWorld({ authority: "keep" });
  const { db, bus } = world.deps;
  await world.enrollment.stop();
  const key = await askingKeyStore({ ...world.deps, db, bus }).open("issuing");
  await assert.rejects(async () => key?.sign(Buffer.from("3000", "hex")), { code: "authority_silent" });
  const dataDir = await mkdtemp(join(tmpdir(), "tenfold-test-second-"));
  await assert.rejects(createEnrollment({ ...world.deps, dataDir, authority: "keep" }), { code: "authority_elsewhere" });
  await rm(dataDir, { recursive: true, force: true });
});
