import assert from "node:assert/strict";
import { test } from "node:test";
import { cli, shellWord } from "./cli.ts";
import { connectSteps } from "./links/connect.ts";

test("words that a shell would take apart are quoted", () => {
  assert.equal(shellWord("sim-0001"), "sim-0001");
  assert.equal(shellWord("fw:<1.4.0"), "'fw:<1.4.0'");
  assert.equal(shellWord("it's"), `'it'\\''s'`);
});

test("the list's line carries its filter", () => {
  assert.equal(cli.devices(""), "npx tenfold device list");
  assert.equal(cli.devices("status:offline fw:<2"), "npx tenfold device list 'status:offline fw:<2'");
});

test("the lines that connect a device name that device everywhere", () => {
  const lines = connectSteps("bench-7", { host: "fleet.example", https: 9443, mqtt: 9883 }).map((step) => step.lines);
  assert.ok(lines.some((line) => line.includes("/CN=bench-7")));
  assert.ok(lines.some((line) => line.includes("devices/bench-7/telemetry")));
  assert.ok(lines.some((line) => line.includes("https://fleet.example:9443/.well-known/est/simpleenroll")));
});
