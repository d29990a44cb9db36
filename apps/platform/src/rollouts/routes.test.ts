import assert from "node:assert/strict";
import { test } from "node:test";
import { scope, servedFleet } from "./testing.ts";

const served = (devices: number) => servedFleet({ devices, effects: (version) => (version === "2.0.0" ? "no_download" : "good") });

test("an operator previews, starts, watches and explains a rollout that halts", async () => {
  await using w = await served(20);
  await w.fleet.release("2.0.0");
  const plan = {
    release: "pump@2.0.0",
    stages: [{ share: 0.1 }, { share: 1 }],
    deadline: "PT5M",
    soak: "PT10S",
    retries: { most: 0 },
  };
  const preview = await w.call("POST", "/rollout-previews", { body: plan });
  assert.deepEqual([preview.status, preview.body.targets, preview.body.worstCaseExposed], [200, 20, 2]);
  assert.equal(preview.body.cost, undefined, "nobody has said a price");
  // So dear that a few bytes cost something: what is less than the smallest unit is one.
  const pricePerGb = { amount: 1_000_000, currency: "EUR" };
  assert.equal((await w.call("PUT", "/rollout-policy", { body: { pricePerGb } })).status, 200);
  const priced = (await w.call("POST", "/rollout-previews", { body: plan })).body;
  assert.deepEqual(priced.cost, { amount: Math.ceil((priced.bytes / 1e9) * 1_000_000), currency: "EUR" });
  const started = await w.call("POST", "/rollouts", { body: plan, headers: { "idempotency-key": "k1" } });
  assert.deepEqual(
    [started.status, started.body.phase, started.body.stages.map((stage: { devices: number }) => stage.devices)],
    [201, "running", [2, 18]],
  );
  const { id } = started.body;
  assert.equal((await w.call("POST", "/rollouts", { body: plan, headers: { "idempotency-key": "k1" } })).body.id, id);
  assert.equal(await w.fleet.untilEnded(id), "rolled_back");
  const shown = (await w.call("GET", `/rollouts/${id}`)).body;
  assert.deepEqual(
    [shown.phase, shown.harmed, shown.restored, shown.stages[0].state, shown.counts],
    ["rolled_back", 2, 0, "halted", { failed: 2, cancelled: 18 }],
  );
  const report = (await w.call("GET", `/rollouts/${id}/report`)).body;
  assert.deepEqual(report.reasons, [{ reason: "download_network", devices: 2 }], "devices that the halt spared did not fail");
  assert.equal(report.harmed.length, 2);
  const halt = report.decisions.find(({ decision }: { decision: string }) => decision === "halted");
  assert.deepEqual([halt.evidence.stageHarmed, halt.evidence.stageDevices, halt.stage], [2, 2, 0]);
  const harmed = (await w.call("GET", `/rollouts/${id}/deployments?harmed=true&limit=1`)).body;
  assert.deepEqual([harmed.items[0].log, typeof harmed.nextCursor], [["timed out"], "string"]);
  const [first] = (await w.call("GET", `/devices/${harmed.items[0].device}/deployments`)).body.items;
  assert.equal(first.state, "failed");
  const [entry] = await w.fleet.rollouts.deviceUpdates(scope, first.device, 10);
  assert.equal(entry?.kind, "deployment.failed");
  assert.equal((await w.call("GET", "/rollouts")).body.items.length, 1);
});

test("who may only look cannot start one, and what does not exist has a name", async () => {
  await using w = await served(1);
  assert.equal(
    (await w.call("POST", "/rollouts", { body: { release: "1.0.0" }, headers: { authorization: "viewer" } })).status,
    403,
  );
  assert.equal((await w.call("GET", "/rollouts/rol_none")).body.code, "rollout_unknown");
  assert.equal((await w.call("POST", "/rollouts/rol_none/pause", { body: { reason: "x" } })).body.code, "rollout_unknown");
  const unclear = await w.call("POST", "/rollouts", { body: { release: "1.0.0", deadline: "PT0S" } });
  assert.deepEqual([unclear.status, unclear.body.field], [422, "deadline"]);
});

test("an operator pauses, resumes and takes back", async () => {
  await using w = await served(4);
  await w.fleet.release("1.1.0");
  const { id } = (await w.call("POST", "/rollouts", { body: { release: "1.1.0", deadline: "PT5M", soak: "PT0S" } })).body;
  assert.equal((await w.call("POST", `/rollouts/${id}/pause`, { body: { reason: "lunch" } })).body.because, "ann: lunch");
  assert.equal((await w.call("POST", `/rollouts/${id}/resume`, { body: { reason: "back" } })).body.phase, "running");
  assert.equal(await w.fleet.untilEnded(id), "completed");
  assert.equal(
    (await w.call("POST", `/rollouts/${id}/rollback`, { body: { reason: "customers complain" } })).body.phase,
    "rolling_back",
  );
  assert.equal(await w.fleet.untilEnded(id), "rolled_back");
  const shown = (await w.call("GET", `/rollouts/${id}`)).body;
  assert.deepEqual([shown.restored, shown.harmed], [4, 0]);
  assert.ok([...w.fleet.devices.values()].every(({ firmware }) => firmware.version === "1.0.0"));
});
