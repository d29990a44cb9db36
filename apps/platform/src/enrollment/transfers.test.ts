import assert from "node:assert/strict";
import { test } from "node:test";
import { days, defaultScope } from "@tenfold/base";
import type { Lifecycle, TransferKind } from "@tenfold/contracts";
import { newSigner, signCms } from "@tenfold/pki";
import { sql } from "kysely";
import { asClient, csrFor, enrolled, enrollmentWorld, newKey, operator, start, trustedFactory, type World } from "./testing.ts";
import { judgeArrival, judgeDeparture, judgeReplacement, judgeReturn } from "./transfer.ts";
import { listTransfers } from "./transfer-store.shell.ts";

/** A device that enrolled and connected once, with tags. */
async function living(w: World, serial: string) {
  const factory = await trustedFactory(w);
  const entry = { serial, model: "p100", tags: { site: "oslo" } };
  await w.enrollment.announce(defaultScope, { entries: [entry], actor: operator });
  const idevid = asClient(await factory.device(serial));
  const client = await enrolled(w, "simpleenroll", { serial, client: idevid });
  assert.equal((await w.enrollment.admit(client.certificate)).is, "admit");
  return { factory, idevid, client };
}

const lifecycleOf = async (w: World, id: string) => (await w.registry.get(defaultScope, id))?.lifecycle;
const enroll = async (w: World, serial: string, client: ReturnType<typeof asClient>) => {
  const answer = await w.post("simpleenroll", await csrFor(serial, newKey()), client);
  return answer.status === 200 ? "enrolled" : String(answer.body).split(":")[0];
};
const leave = (w: World, device: string) =>
  w.enrollment.transferOut(defaultScope, { device, to: "Harbour Works", reason: "sold", lifetimeS: 3_600, actor: operator });

test("a device goes to another owner: its identity ends here, its history stays, and there it is expected with what it was", async () => {
  await using here = await enrollmentWorld();
  await using there = await enrollmentWorld();
  const { factory, idevid, client } = await living(here, "pump-1");
  const closed: string[] = [];
  here.enrollment.onRevoked(({ device }) => void closed.push(device));
  const { id, voucher } = await leave(here, "pump-1");
  assert.deepEqual([await lifecycleOf(here, "pump-1"), closed], ["retired", ["pump-1"]]);
  assert.equal((await here.enrollment.admit(client.certificate)).is, "refuse");
  assert.equal(await enroll(here, "pump-1", idevid), "device_retired");
  assert.equal(await here.enrollment.voucher(defaultScope, id), voucher, "a lost answer is had again");
  const [newest] = await here.enrollment.timeline(defaultScope, "pump-1", 10);
  assert.deepEqual([newest?.kind, newest?.text], ["identity.transfer_out", "Transferred to Harbour Works. sold"]);

  const { publicKeyPem } = await here.enrollment.transferKey();
  const wish = { voucher, publicKeyPem, reason: "bought", actor: operator };
  const taken = await there.enrollment.transferIn(defaultScope, wish);
  assert.deepEqual([taken.device, taken.manufacturer, taken.document.certificates[0]?.state], ["pump-1", "unknown", "active"]);
  const arrived = await there.registry.get(defaultScope, "pump-1");
  assert.deepEqual([arrived?.lifecycle, arrived?.model, arrived?.tags], ["expected", "p100", { site: "oslo" }]);
  // The voucher carries the manufacturer's certificate; a person decides whether to trust it.
  const der = Buffer.from(taken.document.manufacturer?.certificate ?? "", "base64");
  assert.deepEqual(der, factory.manufacturer.certificate.der);
  await there.enrollment.trust(defaultScope, {
    name: "Acme",
    certificatePem: `-----BEGIN CERTIFICATE-----\n${der.toString("base64")}\n-----END CERTIFICATE-----\n`,
    unknownDevices: "refuse",
    actor: operator,
  });
  assert.equal(await enroll(there, "pump-1", idevid), "enrolled");
  await assert.rejects(there.enrollment.transferIn(defaultScope, wish), { code: "transfer_not_allowed" });
  for (const w of [here, there]) assert.equal((await w.access.verifyAudit()).intact, true);
});

test("a voucher that is not signed by the key that was named, is altered, past its time, or used is not believed", async () => {
  await using here = await enrollmentWorld();
  await using there = await enrollmentWorld();
  await living(here, "pump-1");
  const { voucher } = await leave(here, "pump-1");
  const { publicKeyPem } = await here.enrollment.transferKey();
  const take = (wish: Partial<{ voucher: string; publicKeyPem: string }>) =>
    there.enrollment.transferIn(defaultScope, { voucher, publicKeyPem, reason: "x", actor: operator, ...wish });
  const stranger = newSigner();
  const strangerPem = stranger.publicKey.key().export({ format: "pem", type: "spki" }).toString();
  await assert.rejects(take({ publicKeyPem: strangerPem }), { code: "voucher_invalid", message: /not signed by the key/ });
  await assert.rejects(take({ publicKeyPem: "x" }), { code: "voucher_invalid" });
  await assert.rejects(take({ voucher: "AAAA" }), { code: "voucher_invalid" });
  const changed = Buffer.from(voucher, "base64").toString("latin1").replace("oslo", "Oslo");
  await assert.rejects(take({ voucher: Buffer.from(changed, "latin1").toString("base64") }), { code: "voucher_invalid" });
  const nonsense = await signCms({ content: Buffer.from("{}"), signer: stranger, signedAt: start, form: "attached" });
  await assert.rejects(take({ voucher: nonsense.toString("base64"), publicKeyPem: strangerPem }), { code: "voucher_invalid" });
  there.pass(3_600_001);
  await assert.rejects(take({}), { code: "voucher_invalid", message: /it ended on/ });
  there.pass(-3_600_001);
  await take({});
  await there.registry.setLifecycle(defaultScope, "pump-1", { to: "retired", reason: "scrapped", actor: operator });
  await assert.rejects(take({}), { code: "voucher_spent" });
});

test("a device that went away comes home by the other owner's voucher, with its old history, and by nothing else", async () => {
  await using here = await enrollmentWorld();
  await using there = await enrollmentWorld();
  const { idevid } = await living(here, "pump-1");
  const gone = await leave(here, "pump-1");
  await there.enrollment.transferIn(defaultScope, {
    voucher: gone.voucher,
    publicKeyPem: (await here.enrollment.transferKey()).publicKeyPem,
    reason: "bought",
    actor: operator,
  });
  await assert.rejects(here.enrollment.returnDevice(defaultScope, { device: "pump-1", reason: "mine", actor: operator }), {
    code: "transfer_not_allowed",
  });
  const back = await leave(there, "pump-1");
  here.pass(days(1));
  await here.enrollment
    .transferIn(defaultScope, {
      voucher: back.voucher,
      publicKeyPem: (await there.enrollment.transferKey()).publicKeyPem,
      reason: "bought back",
      actor: operator,
    })
    .then(
      () => assert.fail("it was past its hour"),
      (error: { code: string }) => assert.equal(error.code, "voucher_invalid"),
    );
  here.pass(-days(1) + 1_000); // A second after it left: newest first has one meaning then.
  await here.enrollment.transferIn(defaultScope, {
    voucher: back.voucher,
    publicKeyPem: (await there.enrollment.transferKey()).publicKeyPem,
    reason: "bought back",
    actor: operator,
  });
  assert.equal(await enroll(here, "pump-1", idevid), "enrolled");
  const kinds = (await listTransfers(here.db, defaultScope, { device: "pump-1", limit: 10 })).map(({ kind }) => kind);
  assert.deepEqual(kinds, ["in", "out"]);
});

test("a board that comes back from repair enrolls anew with its manufacturer's certificate; its old certificate stays dead", async () => {
  await using w = await enrollmentWorld();
  const { idevid, client } = await living(w, "pump-1");
  await w.registry.setLifecycle(defaultScope, "pump-1", { to: "retired", reason: "broken", actor: operator });
  await w.enrollment.returnDevice(defaultScope, { device: "pump-1", reason: "RMA 4711", actor: operator });
  assert.equal(await lifecycleOf(w, "pump-1"), "expected");
  assert.equal((await w.enrollment.admit(client.certificate)).is, "refuse");
  const renewal = await w.post("simplereenroll", await csrFor("pump-1", newKey()), client);
  assert.match(String(renewal.body), /^certificate_revoked/);
  assert.equal(await enroll(w, "pump-1", idevid), "enrolled");
  assert.deepEqual((await w.registry.get(defaultScope, "pump-1"))?.tags, { site: "oslo" });
});

test("another board takes a device's place with its model, tags and groups, and both timelines say so", async () => {
  await using w = await enrollmentWorld();
  const { factory, client } = await living(w, "pump-1");
  await sql`insert into registry.device_group (id, fleet, name, created_at) values ('grp_1', 'main', 'north', now())`.execute(w.db);
  await sql`insert into registry.group_member (group_id, device) values ('grp_1', 'pump-1')`.execute(w.db);
  const swap = (device: string, by: string) =>
    w.enrollment.replaceDevice(defaultScope, { device, by, reason: "RMA 4711", actor: operator });
  await swap("pump-1", "pump-2");
  assert.deepEqual([await lifecycleOf(w, "pump-1"), await lifecycleOf(w, "pump-2")], ["retired", "expected"]);
  assert.equal((await w.enrollment.admit(client.certificate)).is, "refuse");
  assert.equal(await enroll(w, "pump-2", asClient(await factory.device("pump-2"))), "enrolled");
  const board = await w.registry.get(defaultScope, "pump-2");
  assert.deepEqual([board?.model, board?.tags, board?.trustLevel], ["p100", { site: "oslo" }, 1]);
  const { rows } = await sql<{ device: string }>`select device from registry.group_member`.execute(w.db);
  assert.deepEqual(rows, [{ device: "pump-2" }]);
  const first = async (id: string) => (await w.enrollment.timeline(defaultScope, id, 1))[0]?.text;
  assert.deepEqual(
    [await first("pump-1"), await first("pump-2")],
    ["Replaced by pump-2. RMA 4711", "Took the place of pump-1, whose history stands there. RMA 4711"],
  );
  await assert.rejects(swap("pump-1", "pump-3"), { code: "transfer_not_allowed" });
  await assert.rejects(swap("pump-2", "pump-1"), { code: "transfer_not_allowed" });
  await assert.rejects(swap("nobody", "pump-3"), { code: "transfer_not_allowed" });
  await assert.rejects(w.enrollment.voucher(defaultScope, "trf_none"), { code: "transfer_unknown" });
  await swap("pump-2", "pump-3");
  assert.deepEqual((await w.registry.get(defaultScope, "pump-3"))?.tags, { site: "oslo" });
});

const lifecycles: (Lifecycle | undefined)[] = [undefined, "expected", "pending", "active", "suspended", "quarantined", "retired"];
const kinds: (TransferKind | undefined)[] = [undefined, "out", "in", "return", "replaced", "replaces"];

test("who went to another owner is here no more: only that owner's voucher brings it back, whatever its lifecycle", () => {
  for (const lifecycle of lifecycles) {
    const picture = { device: "a", lifecycle, last: "out" } as const;
    assert.equal(judgeDeparture(picture).is, "refused");
    assert.equal(judgeReturn(picture).is, "refused");
    const board = { device: "b", lifecycle: undefined, last: undefined };
    assert.equal(judgeReplacement({ old: picture, board }).is, "refused");
    assert.equal(judgeArrival(picture).is, lifecycle === undefined || lifecycle === "retired" ? "allowed" : "refused");
  }
});

test("every refusal names the device and what to do, and no device that lives here is taken in a second time", () => {
  for (const lifecycle of lifecycles)
    for (const last of kinds)
      for (const judge of [judgeDeparture, judgeArrival, judgeReturn]) {
        const verdict = judge({ device: "quiet-otter", lifecycle, last });
        if (verdict.is === "refused") assert.match(`${verdict.reason} ${verdict.fix}`, /quiet-otter.*[.`]/);
        if (judge === judgeArrival && lifecycle !== undefined && lifecycle !== "retired") assert.equal(verdict.is, "refused");
      }
});
