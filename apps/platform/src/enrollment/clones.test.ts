import assert from "node:assert/strict";
import { test } from "node:test";
import { days, defaultScope, minutes } from "@tenfold/base";
import { watchBoots, watchConnections } from "./clones.ts";
import { asClient, csrFor, enrolled, enrollmentWorld, newKey, operator, trustedFactory, type World } from "./testing.ts";

async function renewedPump(w: World) {
  const { device } = await trustedFactory(w);
  await w.enrollment.announce(defaultScope, { entries: [{ serial: "pump-1" }], actor: operator });
  const old = await enrolled(w, "simpleenroll", { serial: "pump-1", client: asClient(await device("pump-1")) });
  await w.enrollment.admit(old.certificate);
  w.pass(days(20));
  const fresh = await enrolled(w, "simplereenroll", { serial: "pump-1", client: old });
  return { old, fresh };
}

const lifecycle = async (w: World) => (await w.registry.find("pump-1"))?.lifecycle;
const evidence = async (w: World) => w.enrollment.timeline(defaultScope, "pump-1", 10);

test("a copy that renews what the device has replaced quarantines the identity, with the evidence in log, timeline and audit trail", async () => {
  await using w = await enrollmentWorld();
  const { old, fresh } = await renewedPump(w);
  assert.equal((await w.enrollment.admit(fresh.certificate)).is, "admit");
  const answer = await w.post("simplereenroll", await csrFor("pump-1", newKey()), old);
  assert.match(answer.body.toString(), /^generation_forked: /);
  assert.equal(await lifecycle(w), "quarantined");
  const admission = await w.enrollment.admit(fresh.certificate);
  assert.equal(admission.is === "refuse" && admission.because, "device_quarantined", "both holders are out");
  const [entry] = await evidence(w);
  assert.deepEqual([entry?.kind, entry?.severity, entry?.detail?.action], ["identity.generation_fork", "critical", "quarantined"]);
  assert.equal(entry?.detail?.certificate, old.certificate.serialNumber.toLowerCase());
  assert.ok((await w.attempts()).some(({ because, fix }) => because === "generation_forked" && fix));
  assert.equal((await w.access.verifyAudit()).intact, true);
});

test("a device that lost the answer to its renewal is no fork: the successor was never used", async () => {
  await using w = await enrollmentWorld();
  const { old } = await renewedPump(w);
  w.pass(minutes(30));
  assert.equal((await w.post("simplereenroll", await csrFor("pump-1", newKey()), old)).status, 200);
  assert.deepEqual([await lifecycle(w), await evidence(w)], ["active", []]);
});

test("where the policy says so, a fork is refused and noted, and the device stays in service", async () => {
  await using w = await enrollmentWorld({ clonePolicy: { onFork: "note", onSign: "note" } });
  const { old, fresh } = await renewedPump(w);
  await w.enrollment.admit(fresh.certificate);
  assert.equal((await w.post("simplereenroll", await csrFor("pump-1", newKey()), old)).status, 403);
  assert.equal(await lifecycle(w), "active");
  assert.equal((await evidence(w))[0]?.detail?.action, "noted");
});

test("boot ids that alternate in heartbeats are noted, and quarantine where the policy says so", async () => {
  await using w = await enrollmentWorld({ clonePolicy: { onFork: "quarantine", onSign: "quarantine" } });
  await renewedPump(w);
  const heard = (bootId: string, at: number) => ({ scope: defaultScope, device: "pump-1", bootId, at, roots: undefined });
  await w.enrollment.observeHeartbeats(["a", "b", "a", "b"].map((bootId, i) => heard(bootId, w.clock.now() + i * 1_000)));
  assert.equal((await evidence(w))[0]?.kind, "identity.two_boots");
  assert.equal(await lifecycle(w), "quarantined");
});

test("connections that take each other's place three times in a minute are noted once", async () => {
  await using w = await enrollmentWorld();
  await renewedPump(w);
  const taken = () =>
    w.bus.publish({ type: "device.disconnected", subject: "pump-1", data: { fleet: "main", because: "taken_over" } });
  for (let i = 0; i < 6; i++) taken();
  for (const deadline = performance.now() + 5_000; (await evidence(w)).length === 0; ) assert.ok(performance.now() < deadline);
  assert.deepEqual(
    (await evidence(w)).map(({ kind }) => kind),
    ["identity.two_connections"],
  );
  assert.equal(await lifecycle(w), "active");
});

test("slow swaps, a late heartbeat of the start before, and an honest row of restarts are no signs", () => {
  const connections = watchConnections();
  assert.deepEqual(
    [0, 40_000, 80_000, 120_000].map((at) => connections.takenOver("d", at)),
    [false, false, false, false],
  );
  const boots = watchBoots();
  assert.deepEqual(
    ["a", "b", "a", "c", "d", "e"].map((boot, at) => boots.heard("d", boot, at)),
    Array(6).fill(false),
  );
  assert.deepEqual(
    ["x", "y", "x", "y"].map((boot, at) => boots.heard("e", boot, at)),
    [false, false, false, true],
  );
});
