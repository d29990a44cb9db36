import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { days, defaultScope } from "@tenfold/base";
import { newSigner, type Signer, signCms, signerOf } from "@tenfold/pki";
import { judgeAnnounced } from "./manifest.ts";
import { listManifests } from "./manifest-store.shell.ts";
import { asClient, csrFor, enrollmentWorld, newKey, operator, start, trustedFactory, type World } from "./testing.ts";

const pemOf = ({ publicKey }: Signer) => publicKey.key().export({ format: "pem", type: "spki" }).toString();
const signed = async (document: string, signer: Signer) => ({
  document,
  signature: (await signCms({ content: Buffer.from(document), signer, signedAt: start, form: "detached" })).toString("base64"),
  actor: operator,
});

/** A factory whose manifests must be signed, with its key. */
async function signingFactory(w: World, unknownDevices: "approve" | "refuse" = "refuse") {
  const factory = await trustedFactory(w, unknownDevices);
  const signer = newSigner();
  const { id } = factory.anchor;
  const key = await w.enrollment.addManifestKey(defaultScope, {
    anchor: id,
    name: "line 3",
    publicKeyPem: pemOf(signer),
    actor: operator,
  });
  await w.enrollment.changeTrust(defaultScope, { id, manifests: "signed", actor: operator });
  return { ...factory, signer, key };
}

const enroll = async (w: World, serial: string, client: ReturnType<typeof asClient>) => {
  const answer = await w.post("simpleenroll", await csrFor(serial, newKey()), client);
  return answer.status === 200 ? "enrolled" : answer.status === 202 ? "waits" : String(answer.body).split(":")[0];
};

test("a signed manifest lets a manufacturer's devices in, from CSV and JSON, and says whose word it was", async () => {
  await using w = await enrollmentWorld();
  const { device, signer, key } = await signingFactory(w);
  const csv = await w.enrollment.announceSigned(defaultScope, await signed("serial,model,tag:site\npump-1,p100,oslo\n", signer));
  assert.deepEqual(csv, { expected: 1, already: 0, signedBy: "Acme", keyFingerprint: key.fingerprint });
  await w.enrollment.announceSigned(defaultScope, await signed('[{"serial":"pump-2"}]', signer));
  assert.equal(await enroll(w, "pump-1", asClient(await device("pump-1"))), "enrolled");
  assert.equal(await enroll(w, "pump-2", asClient(await device("pump-2"))), "enrolled");
  const known = await w.registry.get(defaultScope, "pump-1");
  assert.deepEqual([known?.model, known?.tags, known?.trustLevel], ["p100", { site: "oslo" }, 1]);
  const [newest] = await listManifests(w.db, defaultScope, { limit: 10 });
  assert.deepEqual([newest?.signedBy, newest?.importedBy, newest?.signedAt], ["Acme", "Olga", new Date(start).toISOString()]);
  assert.equal((await w.access.verifyAudit()).intact, true);
});

test("where a manufacturer must sign, an unsigned manifest is refused, and one from before counts for nothing until it is signed", async () => {
  await using w = await enrollmentWorld();
  const factory = await trustedFactory(w, "refuse");
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1", model: "old" }], actor: operator });
  const signer = newSigner();
  const { id } = factory.anchor;
  await w.enrollment.changeTrust(defaultScope, { id, manifests: "signed", actor: operator });
  const unsigned = { entries: [{ serial: "pump-2" }], actor: operator };
  await assert.rejects(w.enrollment.announce(defaultScope, unsigned), { code: "manifest_unsigned" });
  const client = asClient(await factory.device("pump-1"));
  assert.equal(await enroll(w, "pump-1", client), "manifest_not_signed");
  assert.equal(await enroll(w, "pump-3", asClient(await factory.device("pump-3"))), "device_not_expected");

  await w.enrollment.addManifestKey(defaultScope, { anchor: id, name: "k", publicKeyPem: pemOf(signer), actor: operator });
  const word = await signed("serial,model\npump-1,p100\n", signer);
  assert.deepEqual((await w.enrollment.announceSigned(defaultScope, word)).already, 1);
  assert.equal(await enroll(w, "pump-1", client), "enrolled");
  await w.enrollment.changeTrust(defaultScope, { id, unknownDevices: "approve", actor: operator });
  assert.equal(await enroll(w, "pump-4", asClient(await factory.device("pump-4"))), "waits", "a person may still let it in");
});

test("a signature that is broken, over another document, or by a key that is not registered brings nobody in", async () => {
  await using w = await enrollmentWorld();
  const { anchor, signer, key } = await signingFactory(w);
  const document = "serial\npump-1\n";
  const good = await signed(document, signer);
  const refused = (wish: typeof good, why: RegExp) =>
    assert.rejects(w.enrollment.announceSigned(defaultScope, wish), { code: "manifest_signature_invalid", message: why });
  await refused({ ...good, document: "serial\npump-1\npump-2\n" }, /over another document/);
  await refused(
    await signed(document, newSigner()),
    /no registered manifest key has signed it \(there are: [0-9a-f]{16}… of Acme\)/,
  );
  await refused({ ...good, signature: "AAAA" }, /not believed/);
  await refused({ ...good, signature: "no base64!" }, /base64/);
  await assert.rejects(w.enrollment.announceSigned(defaultScope, await signed("colour\nred\n", signer)), {
    code: "manifest_invalid",
  });
  await w.enrollment.removeManifestKey(defaultScope, { anchor: anchor.id, id: key.id, actor: operator });
  await refused(good, /there are: none/);
  assert.equal((await listManifests(w.db, defaultScope, { limit: 10 })).length, 0);
  assert.equal(await w.registry.get(defaultScope, "pump-1"), undefined);
});

test("a manufacturer's signed word binds a serial number to it: another's device of that number stays outside", async () => {
  await using w = await enrollmentWorld();
  const acme = await signingFactory(w);
  const other = await trustedFactory(w);
  await w.enrollment.announceSigned(defaultScope, await signed("serial\npump-1\n", acme.signer));
  assert.equal(await enroll(w, "pump-1", asClient(await other.device("pump-1"))), "serial_of_another_manufacturer");
  assert.equal(await enroll(w, "pump-1", asClient(await acme.device("pump-1"))), "enrolled");
});

test("a key speaks for one manufacturer, is a public key, and dies with its anchor", async () => {
  await using w = await enrollmentWorld();
  const { anchor, signer } = await signingFactory(w);
  const second = await trustedFactory(w);
  const add = (id: string, publicKeyPem: string) =>
    w.enrollment.addManifestKey(defaultScope, { anchor: id, name: "k", publicKeyPem, actor: operator });
  await assert.rejects(add(second.anchor.id, pemOf(signer)), { code: "manifest_key_exists" });
  await assert.rejects(add("anc_none", pemOf(newSigner())), { code: "trust_anchor_unknown" });
  await assert.rejects(add(anchor.id, "nonsense"), { code: "manifest_key_unusable" });
  const weak = generateKeyPairSync("rsa", { modulusLength: 1_024 }).privateKey;
  assert.throws(() => signerOf(weak), { code: "algorithm_refused" });
  const weakPem = generateKeyPairSync("rsa", {
    modulusLength: 1_024,
    publicKeyEncoding: { format: "pem", type: "spki" },
    privateKeyEncoding: { format: "pem", type: "pkcs8" },
  }).publicKey;
  await assert.rejects(add(anchor.id, weakPem), { code: "manifest_key_unusable" });
  await assert.rejects(
    w.enrollment.removeManifestKey(defaultScope, { anchor: second.anchor.id, id: "mky_none", actor: operator }),
    {
      code: "manifest_key_unknown",
    },
  );
  await w.enrollment.distrust(defaultScope, { id: anchor.id, actor: operator });
  await add(second.anchor.id, pemOf(signer));
  w.pass(days(1));
  await assert.rejects(w.enrollment.changeTrust(defaultScope, { id: anchor.id, manifests: "any", actor: operator }), {
    code: "trust_anchor_unknown",
  });
});

test("what a manifest is worth depends on who signed it and on what the manufacturer demands", () => {
  const certificate = { fingerprint: "acme" } as Parameters<typeof judgeAnnounced>[1]["certificate"]; // all that is looked at
  const worth = (signedBy: string | undefined, manifests: "any" | "signed") =>
    judgeAnnounced({ signedBy }, { certificate, manifests });
  assert.equal(judgeAnnounced(undefined, { certificate, manifests: "any" }), "not_announced");
  assert.deepEqual([worth(undefined, "any"), worth("acme", "any"), worth("acme", "signed")], Array(3).fill("announced"));
  assert.deepEqual([worth(undefined, "signed"), worth("other", "signed")], ["not_signed", "not_signed"]);
});
