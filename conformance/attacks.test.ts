import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { deploymentReason } from "@tenfold/contracts";

const page = "docs/protocol/update-attacks.md";
const rows = readFileSync(page, "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| ---") && !line.startsWith("| attack |"))
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .map(([, attack = "", , reason = "", named = ""]) => ({ attack, reason: reason.replaceAll("`", ""), named }));

test(`each attack of ${page} names a reason of the closed list and a test that is there`, () => {
  assert.ok(rows.length >= 25, `${rows.length} attacks were found`);
  for (const { attack, reason, named } of rows) {
    assert.ok(deploymentReason.safeParse(reason).success, `${attack}: ${reason} is no reason`);
    const [, file = "", words = ""] = /^(\S+\.test\.ts): (.+)$/.exec(named) ?? [];
    assert.ok(file !== "" && readFileSync(file, "utf8").includes(words), `${attack}: no test "${named}"`);
  }
});

test("each reason that an attack on an offer, its metadata or its bytes can have stands on that page", () => {
  const attackable = deploymentReason.options.filter((reason) => /^(offer|metadata)_|^download_(hash|size)_/.test(reason));
  const told = new Set(rows.map(({ reason }) => reason));
  assert.deepEqual(
    attackable.filter((reason) => !told.has(reason)),
    [],
  );
});
