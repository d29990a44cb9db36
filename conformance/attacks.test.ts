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
  assert.ok(rows.length >= 35, `${rows.length} attacks were found`);
  for (const { attack, reason, named } of rows) {
    assert.ok(deploymentReason.safeParse(reason).success, `${attack}: ${reason} is no reason`);
    const [, file = "", words = ""] = /^(\S+\.test\.ts): (.+)$/.exec(named) ?? [];
    assert.ok(file !== "" && readFileSync(file, "utf8").includes(words), `${attack}: no test "${named}"`);
  }
});

test("each reason of the closed list has a line on that page, or is one that nobody sends", () => {
  const paragraph = /\*\*Nobody sends\*\*([\s\S]*?)\n\n/.exec(readFileSync(page, "utf8"))?.[1] ?? "";
  const unsent = [...paragraph.matchAll(/`([a-z_]+)`/g)].map(([, reason = ""]) => reason);
  assert.deepEqual(
    unsent.filter((reason) => /^(offer|metadata|download|verify|install|boot|validate)_/.test(reason)),
    [],
    "what a device reports of what it was sent needs a test of its own",
  );
  const told = new Set([...rows.map(({ reason }) => reason), ...unsent]);
  assert.deepEqual([...told].toSorted(), [...deploymentReason.options].toSorted());
});
