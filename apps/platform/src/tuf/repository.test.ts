import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReleaseStatement } from "@tenfold/contracts";
import { hardwareMisfit } from "./repository.ts";

const statement: ReleaseStatement = {
  type: "tenfold.release.v1",
  name: "pump",
  version: "2.0.0",
  models: ["pump-a", "pump-b"],
  hardwareRevisions: ["r2"],
  minimumVersion: "1.9.0",
  artifact: { sha256: "ab".repeat(32), size: 1 },
  signedAt: "2026-01-02T03:04:05Z",
};
const reasonFor = (hardwareIds: string[], board: Parameters<typeof hardwareMisfit>[2], of = statement) =>
  hardwareMisfit(of, hardwareIds, board)?.reason;

test("the director signs only for hardware that statement and list both name; what is not known is not named", () => {
  const board = { model: "pump-a", hardwareRevision: "r2" };
  assert.equal(reasonFor(["pump-a"], board), undefined);
  assert.equal(reasonFor([], board), undefined);
  assert.equal(reasonFor(["pump-b"], board), "offer_incompatible_model");
  assert.equal(reasonFor(["pump-c"], { ...board, model: "pump-c" }), "offer_incompatible_model");
  assert.equal(reasonFor(["pump-a"], { ...board, hardwareRevision: "r1" }), "offer_incompatible_hardware");
  assert.equal(reasonFor(["pump-a"], { model: "pump-a" }), "offer_incompatible_hardware");
  const { hardwareRevisions: _, ...forAny } = { ...statement, models: [] };
  assert.equal(reasonFor(["pump-a"], {}, forAny), "offer_incompatible_model");
  assert.equal(reasonFor([], {}, forAny), undefined);
});
