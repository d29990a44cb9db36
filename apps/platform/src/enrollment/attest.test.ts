import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { defaultScope, hours } from "@tenfold/base";
import type { AttestationChallenge, AttestationOutcome } from "@tenfold/contracts";
import { createCsr, createTpmAttestor, keyUriIn, oids, openKeyStore, type Signer, toPem } from "@tenfold/pki";
import { makeSoftwareTpm, type SoftwareTpm, withoutSoftwareTpm } from "@tenfold/testkit";
import type { EnrollmentDeps } from "./deps.ts";
import {
  type Answer,
  asClient,
  type Client,
  csrFor,
  enrolled,
  enrollmentWorld,
  newKey,
  operator,
  trustedFactory,
  type World,
} from "./testing.ts";

const json = <T>(answer: Answer): T => JSON.parse(answer.body.toString("utf8")) as T;
type Refusal = { code: string; detail: string };

suite("attestation", { skip: withoutSoftwareTpm() }, () => {
  let opened: Promise<{ tpm: SoftwareTpm; folder: string }> | undefined;
  const hardware = () => {
    opened ??= makeSoftwareTpm().then(async (tpm) => ({ tpm, folder: await mkdtemp(join(tmpdir(), "tenfold-test-att-")) }));
    return opened;
  };
  after(async () => {
    const w = await opened;
    await w?.tpm[Symbol.asyncDispose]();
    if (w) await rm(w.folder, { recursive: true, force: true });
  });

  let made = 0;
  /** A key of the TPM, as a device makes it. */
  async function tpmKey(): Promise<{ signer: Signer; uri: string }> {
    const { tpm, folder } = await hardware();
    await using store = openKeyStore(tpm.uri, { folder });
    made += 1;
    const name = `key-${made}`;
    return { signer: await store.create(name), uri: keyUriIn(tpm.uri, { folder, name }) };
  }

  async function world(options: Partial<EnrollmentDeps> = {}) {
    const { tpm } = await hardware();
    const w = await enrollmentWorld(options);
    // The maker certified its TPM while this file ran.
    w.pass(hours(1));
    const factory = await trustedFactory(w);
    const certificatePem = tpm.makerIssuing;
    const trustMaker = () => w.enrollment.trustMaker(defaultScope, { name: "swtpm", certificatePem, actor: operator });
    return Object.assign(w, { factory, trustMaker });
  }

  const post = (w: World, path: string, { client, body }: { client: Client; body: unknown }): Promise<Answer> =>
    w.call("POST", path, {
      ...client,
      body: JSON.stringify(body),
      headers: { ...client.headers, "Content-Type": "application/json" },
    });

  async function begin(w: World, client: Client, uri: string, ek: "p384" | "rsa" = "p384"): Promise<Answer> {
    const claim = await createTpmAttestor(uri, { ek }).claim();
    const [ekArea, ak, key] = [claim.ek, claim.ak, claim.key].map((one) => one.toString("base64"));
    const body = { ek: ekArea, ekCertificates: claim.ekCertificates.map((one) => one.toString("base64")), ak, key };
    return post(w, "/v1/attestations", { client, body });
  }

  async function answer(
    w: World,
    client: Client,
    { uri, challenge }: { uri: string; challenge: AttestationChallenge },
  ): Promise<Answer> {
    const bytes = (text: string) => Buffer.from(text, "base64");
    const evidence = await createTpmAttestor(uri, { ek: "p384" }).answer({
      credentialBlob: bytes(challenge.credentialBlob),
      encryptedSecret: bytes(challenge.encryptedSecret),
      nonce: bytes(challenge.nonce),
      pcrs: challenge.pcrs,
    });
    const signed = (one: { attest: Buffer; signature: Buffer }) => ({
      attest: one.attest.toString("base64"),
      signature: one.signature.toString("base64"),
    });
    const body = {
      secret: evidence.secret.toString("base64"),
      certify: signed(evidence.certify),
      quote: signed(evidence.quote),
      pcrs: Object.fromEntries([...evidence.pcrs].map(([pcr, value]) => [pcr, value.toString("hex")])),
    };
    return post(w, `/v1/attestations/${challenge.attestation}`, { client, body });
  }

  async function attest(w: World, client: Client, uri: string): Promise<AttestationOutcome> {
    const begun = await begin(w, client, uri);
    assert.equal(begun.status, 200, begun.body.toString());
    const answered = await answer(w, client, { uri, challenge: json<AttestationChallenge>(begun) });
    assert.equal(answered.status, 200, answered.body.toString());
    return json<AttestationOutcome>(answered);
  }

  const request = async (serial: string, key: Signer) =>
    (await createCsr({ key, subject: [{ type: oids.commonName, value: serial }] })).toString("base64");
  const levelOf = async (w: World, serial: string) => (await w.registry.find(serial))?.trustLevel;

  test("a device whose manufacturer's devices must attest gets no certificate before its TPM vouched for the key, and level 3 after", async () => {
    await using w = await world();
    await w.trustMaker();
    await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
    await w.enrollment.demand(defaultScope, { anchor: w.factory.anchor.id, demand: "tpm", actor: operator });
    const client = asClient(await w.factory.device("pump-1"));
    const { signer, uri } = await tpmKey();
    const csr = await request("pump-1", signer);
    const early = await w.post("simpleenroll", csr, client);
    assert.equal(early.status, 403);
    assert.match(early.body.toString(), /attestation_required/);
    const outcome = await attest(w, client, uri);
    assert.deepEqual([outcome.verdict, outcome.software], ["passed", "unjudged"]);
    const other = await w.post("simpleenroll", await csrFor("pump-1", newKey()), client);
    assert.match(other.body.toString(), /attestation_required/, "another key is not the one that was vouched for");
    assert.equal((await w.post("simpleenroll", csr, client)).status, 200);
    assert.equal(await levelOf(w, "pump-1"), 3);
  });

  test("an attestation counts for an hour", async () => {
    await using w = await world();
    await w.trustMaker();
    await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
    await w.enrollment.demand(defaultScope, { anchor: w.factory.anchor.id, demand: "tpm", actor: operator });
    const client = asClient(await w.factory.device("pump-1"));
    const { signer, uri } = await tpmKey();
    await attest(w, client, uri);
    w.pass(hours(1) + 1);
    assert.match((await w.post("simpleenroll", await request("pump-1", signer), client)).body.toString(), /attestation_required/);
  });

  test("measured software raises the level to 4 while a reference of its model matches; a retired one lowers it at the next attestation", async () => {
    await using w = await world();
    await w.trustMaker();
    await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1", model: "p100" }], actor: operator });
    const client = asClient(await w.factory.device("pump-1"));
    const { signer, uri } = await tpmKey();
    await attest(w, client, uri);
    await w.post("simpleenroll", await request("pump-1", signer), client);
    const kept = await w.enrollment.keepReference(defaultScope, {
      name: "boot",
      model: "p100",
      device: "pump-1",
      only: [0, 7],
      actor: operator,
    });
    assert.deepEqual([kept.generation, Object.keys(kept.pcrs)], [1, ["0", "7"]]);
    w.pass(1_000);
    assert.deepEqual((await attest(w, client, uri)).software, "matches");
    assert.equal(await levelOf(w, "pump-1"), 4);
    const unquoted = { name: "boot", device: "pump-1", only: [23], actor: operator };
    await assert.rejects(w.enrollment.keepReference(defaultScope, unquoted), { code: "attestation_reference_unusable" });
    await w.enrollment.retireReference(defaultScope, { id: kept.id, actor: operator });
    const nameless = w.enrollment.retireReference(defaultScope, { id: "ref_none", actor: operator });
    await assert.rejects(nameless, { code: "attestation_reference_unknown" });
    const wrong = { "0": ["11".repeat(32)] };
    const next = await w.enrollment.keepReference(defaultScope, { name: "boot", model: "p100", pcrs: wrong, actor: operator });
    assert.equal(next.generation, 2);
    w.pass(1_000);
    assert.deepEqual((await attest(w, client, uri)).software, "differs");
    assert.equal(await levelOf(w, "pump-1"), 3);
    const [newest] = await w.enrollment.timeline(defaultScope, "pump-1", 10);
    assert.deepEqual([newest?.kind, newest?.severity], ["identity.attestation_passed", "warning"]);
  });

  test("where known software is demanded, a key in a TPM alone gets no certificate", async () => {
    await using w = await world();
    await w.trustMaker();
    await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
    await w.enrollment.demand(defaultScope, { anchor: w.factory.anchor.id, demand: "software", actor: operator });
    const client = asClient(await w.factory.device("pump-1"));
    const { signer, uri } = await tpmKey();
    await attest(w, client, uri);
    const csr = await request("pump-1", signer);
    assert.match((await w.post("simpleenroll", csr, client)).body.toString(), /software_unknown/);
    await w.enrollment.keepReference(defaultScope, { name: "boot", device: "pump-1", actor: operator });
    w.pass(1_000);
    await attest(w, client, uri);
    assert.equal((await w.post("simpleenroll", csr, client)).status, 200);
    assert.equal(await levelOf(w, "pump-1"), 4);
  });

  test("a TPM of a maker that is not believed gets no challenge, and the reason is kept", async () => {
    await using w = await world();
    const client = asClient(await w.factory.device("pump-1"));
    const refused = await begin(w, client, (await tpmKey()).uri);
    assert.deepEqual([refused.status, json<Refusal>(refused).code], [403, "attestation_refused"]);
    assert.match(json<Refusal>(refused).detail, /No trusted authority/);
    const [newest] = await w.enrollment.timeline(defaultScope, "pump-1", 1);
    assert.equal(newest?.kind, "identity.attestation_failed");
  });

  test("a challenge is good once, for five minutes, and for the device that asked", async () => {
    await using w = await world();
    await w.trustMaker();
    const [client, stranger] = [asClient(await w.factory.device("pump-1")), asClient(await w.factory.device("pump-2"))];
    const { uri } = await tpmKey();
    const challenge = json<AttestationChallenge>(await begin(w, client, uri));
    assert.equal((await answer(w, stranger, { uri, challenge })).status, 404);
    assert.equal((await answer(w, client, { uri, challenge })).status, 200);
    assert.equal((await answer(w, client, { uri, challenge })).status, 404);
    const late = json<AttestationChallenge>(await begin(w, client, uri));
    w.pass(5 * 60_000 + 1);
    assert.equal(json<Refusal>(await answer(w, client, { uri, challenge: late })).code, "attestation_unknown");
  });

  test("a wrong answer fails, is shown with its check, and takes the device out of service where the policy says so", async () => {
    await using w = await world({ onAttestationFailure: "quarantine" });
    await w.trustMaker();
    await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
    const client = asClient(await w.factory.device("pump-1"));
    const { signer, uri } = await tpmKey();
    await attest(w, client, uri);
    await w.post("simpleenroll", await request("pump-1", signer), client);
    assert.equal(await levelOf(w, "pump-1"), 3);
    w.pass(1_000);
    const challenge = json<AttestationChallenge>(await begin(w, client, uri));
    // Another challenge's nonce: what an attacker has who replays.
    const failed = json<AttestationOutcome>(
      await answer(w, client, { uri, challenge: { ...challenge, nonce: Buffer.alloc(32).toString("base64") } }),
    );
    assert.equal(failed.verdict, "failed");
    const found = await w.registry.find("pump-1");
    assert.deepEqual([found?.lifecycle, found?.trustLevel], ["quarantined", 1]);
    assert.match((await w.enrollment.timeline(defaultScope, "pump-1", 1))[0]?.text ?? "", /answers another challenge/);
    w.pass(1_000);
    assert.equal((await attest(w, client, uri)).verdict, "passed", "a quarantined device may show that it is itself");
  });

  test("one TPM is one device's, and a device keeps its TPM until an operator says that it has another", async () => {
    await using w = await world();
    await w.trustMaker();
    const [one, two] = [asClient(await w.factory.device("pump-1")), asClient(await w.factory.device("pump-2"))];
    await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }, { serial: "pump-2" }], actor: operator });
    const { uri } = await tpmKey();
    await attest(w, one, uri);
    w.pass(1_000);
    assert.match(json<Refusal>(await begin(w, two, uri)).detail, /belongs to device pump-1/);
    assert.match(json<Refusal>(await begin(w, one, uri, "rsa")).detail, /another TPM before/);
    assert.equal(await w.enrollment.forgetTpm(defaultScope, { device: "pump-1", reason: "new board", actor: operator }), 1);
    assert.equal((await begin(w, one, uri, "rsa")).status, 200);
  });

  test("a device attests again with its operational certificate and with a one-time code, which is not spent by that", async () => {
    await using w = await world();
    await w.trustMaker();
    const { code } = await w.enrollment.makeCode(defaultScope, { serial: "board-1", lifetimeS: 3_600, actor: operator });
    const byCode: Client = { user: "board-1", password: code };
    const { signer, uri } = await tpmKey();
    assert.equal((await attest(w, byCode, uri)).verdict, "passed");
    assert.equal((await w.post("simpleenroll", await request("board-1", signer), byCode)).status, 200);
    assert.equal(await levelOf(w, "board-1"), 3, "the TPM counts for more than the person's word");
    const key = newKey();
    const renewed = await enrolled(w, "simpleenroll", {
      serial: "pump-5",
      key,
      client: await announced(w, "pump-5"),
    });
    assert.equal(renewed.certificate.subject, "CN=pump-5");
    assert.match(json<Refusal>(await begin(w, renewed, uri)).detail, /belongs to device board-1/, "known by its certificate");
  });

  async function announced(w: Awaited<ReturnType<typeof world>>, serial: string): Promise<Client> {
    await w.enrollment.announce(defaultScope, { entries: [{ serial }], actor: operator });
    return asClient(await w.factory.device(serial));
  }

  test("who shows nothing, sends no claim or asks too often is told so", async () => {
    await using w = await world({ requestsPerMinute: 3 });
    const body = { ek: "AA==", ekCertificates: ["AA=="], ak: "AA==", key: "AA==" };
    const nobody = await post(w, "/v1/attestations", { client: {}, body });
    assert.deepEqual([nobody.status, json<Refusal>(nobody).code], [401, "attestation_not_authenticated"]);
    const client = asClient(await w.factory.device("pump-1"));
    assert.equal(
      json<Refusal>(await post(w, "/v1/attestations", { client, body: { ...body, more: 1 } })).code,
      "attestation_malformed",
    );
    assert.equal(json<Refusal>(await post(w, "/v1/attestations", { client, body })).code, "attestation_refused");
    assert.equal(
      json<Refusal>(await post(w, "/v1/attestations", { client, body: { ...body, ek: "%" } })).code,
      "attestation_malformed",
    );
    const hurried = await post(w, "/v1/attestations", { client, body });
    assert.deepEqual([hurried.status, json<Refusal>(hurried).code], [429, "attestation_too_often"]);
  });

  test("a maker's authority must be one, and is believed once", async () => {
    await using w = await world();
    const actor = operator;
    await w.trustMaker();
    await assert.rejects(w.trustMaker(), { code: "tpm_maker_exists" });
    const leaf = toPem("CERTIFICATE", (await w.factory.device("x")).certificate.der);
    await assert.rejects(w.enrollment.trustMaker(defaultScope, { name: "x", certificatePem: leaf, actor }), {
      code: "tpm_maker_unusable",
    });
    await assert.rejects(w.enrollment.distrustMaker(defaultScope, { id: "none", actor }), { code: "tpm_maker_unknown" });
    await assert.rejects(w.enrollment.keepReference(defaultScope, { name: "x", device: "none", actor }), {
      code: "attestation_unknown",
    });
    await assert.rejects(w.enrollment.demand(defaultScope, { anchor: "none", demand: "tpm", actor }), {
      code: "trust_anchor_unknown",
    });
  });
});
