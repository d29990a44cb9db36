import assert from "node:assert/strict";
import { test } from "node:test";
import { asProven } from "./proof.ts";

const known = { id: "d1", lifecycle: "active", tags: {}, connectivity: { is: "online" } };
const proof = { version: "2", hash: "b", boots: ["boot-1", "boot-2"] };

test("a heartbeat of a boot that was over when the device was last verified says nothing of what runs", () => {
  const late = { ...known, bootId: "boot-2", firmware: { version: "1", hash: "a", state: "trial" } };
  const { firmware, bootId } = asProven(late, proof);
  assert.deepEqual([firmware, bootId], [{ version: "2", hash: "b", state: "confirmed" }, undefined]);
});

test("a boot that came after the proof is believed, whatever it runs, and so is a device that was never verified", () => {
  const fellBack = { ...known, bootId: "boot-4", firmware: { version: "1", hash: "a", state: "confirmed" } };
  assert.equal(asProven(fellBack, proof), fellBack);
  assert.equal(asProven(fellBack, undefined), fellBack);
  const silent = { ...known };
  assert.equal(asProven(silent, proof), silent);
});

test("a boot that nobody had heard of says nothing either, where the device is known to go on with its numbers", () => {
  const late = { ...known, bootId: "boot-0", seq: 41, firmware: { version: "1", hash: "a", state: "confirmed" } };
  assert.equal(asProven(late, { ...proof, seqFloor: 50 }).firmware?.version, "2");
  assert.equal(asProven({ ...late, seq: 51 }, { ...proof, seqFloor: 50 }).firmware?.version, "1");
  assert.equal(asProven(late, proof).firmware?.version, "1");
});
