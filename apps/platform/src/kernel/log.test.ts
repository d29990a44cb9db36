import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { createLog } from "./log.ts";
import { humanLine } from "./log-line.ts";

test("an event is one JSON line, and a field whose name promises a secret is blanked", () => {
  const lines: string[] = [];
  const log = createLog({ level: "info", write: (line) => lines.push(line) }).child({ part: "links" });
  log.warn("link.refused", { device: "pump-1", token: "tf_secret", nested: { password: "x" } });
  log.debug("not.shown");
  const [entry] = lines.map((line) => JSON.parse(line));
  assert.deepEqual(
    [lines.length, entry.level, entry.event, entry.part, entry.device],
    [1, "warn", "link.refused", "links", "pump-1"],
  );
  assert.deepEqual([entry.token, entry.nested.password], ["[redacted]", "[redacted]"]);
});

test("at a terminal the same entry is a line for people, and what is no entry is left alone", () => {
  const line = JSON.stringify({
    level: "warn",
    time: "2026-11-22T22:33:20.109Z",
    part: "links",
    event: "link.refused",
    device: "pump-1",
    n: 2,
  });
  assert.equal(stripVTControlCharacters(humanLine(line)), "22:33:20 links link.refused device=pump-1 n=2");
  assert.equal(humanLine("not json"), "not json");
});
