import assert from "node:assert/strict";
import { test } from "node:test";
import { bootNameOf, mergeAttributes, readConfigData, seeStart, toldIn } from "./attributes.ts";

const told = (data: Record<string, string>) => toldIn({ mode: "merge", data });

test("the bodies of the three clients are read", () => {
  const swupdate =
    '{ "id": "", "time": "20260101T000000", "status": { "result": { "finished": "success" }, "execution": "closed", "details" : [ "" ] }, "data" : { "a": "1" } }';
  assert.deepEqual(readConfigData(swupdate), { mode: "merge", data: { a: "1" } });
  assert.deepEqual(readConfigData('{"mode":"merge","data":{"VIN":"x"},"id":"","time":"","status":{}}'), {
    mode: "merge",
    data: { VIN: "x" },
  });
  assert.deepEqual(readConfigData('{"mode":"replace","data":{"n":1,"b":false,"gone":null}}'), {
    mode: "replace",
    data: { n: "1", b: "false" },
  });
  for (const body of ["", "[]", "{}", '{"data":[]}', '{"data":{"a":{}}}', '{"mode":"?","data":{}}'])
    assert.equal(readConfigData(body), undefined, body);
});

test("what PostgreSQL cannot hold is replaced, not refused", () => {
  assert.deepEqual(readConfigData('{"data":{"a\\u0000":"\\ud800"}}'), { mode: "merge", data: { "a\ufffd": "\ufffd" } });
});

test("attributes are merged, replaced and removed, and never too many", () => {
  const known = { a: "1", b: "2" };
  assert.deepEqual(mergeAttributes(known, { mode: "merge", data: { b: "3" } }), { a: "1", b: "3" });
  assert.deepEqual(mergeAttributes(known, { mode: "replace", data: { c: "3" } }), { c: "3" });
  assert.deepEqual(mergeAttributes(known, { mode: "remove", data: { a: "" } }), { b: "2" });
  assert.equal(
    mergeAttributes({}, { mode: "merge", data: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [i, ""])) }),
    undefined,
  );
});

test("the version is found under its usual names, the most explicit first; what is removed tells nothing", () => {
  assert.deepEqual(told({ version: "hw-3", firmware_version: " 1.2.0 ", boot_id: "b", model: "m" }), {
    version: "1.2.0",
    bootId: "b",
    model: "m",
  });
  assert.deepEqual(told({ version: "1.0.0", firmware_version: " " }), { version: "1.0.0" });
  assert.deepEqual(toldIn({ mode: "remove", data: { version: "1.0.0" } }), {});
});

test("a start is another boot id; without one another version, or a configData that nobody asked for", () => {
  const known = { starts: 4, version: "1.0.0" };
  const starts = (data: Record<string, string>, asked: "asked" | "unasked", before: Parameters<typeof seeStart>[0] = known) =>
    seeStart(before, told(data), asked).starts;
  assert.equal(starts({ version: "1.0.0" }, "asked"), 4);
  assert.equal(starts({ version: "1.0.0" }, "unasked"), 5);
  assert.equal(starts({ version: "2.0.0" }, "asked"), 5);
  const booted = { ...known, bootId: "one" };
  assert.equal(starts({ version: "1.0.0", boot_id: "one" }, "unasked", booted), 4);
  assert.equal(starts({ version: "2.0.0", boot_id: "one" }, "asked", booted), 4);
  assert.equal(starts({ version: "1.0.0", boot_id: "two" }, "asked", booted), 5);
  assert.deepEqual([bootNameOf(known), bootNameOf(booted)], ["ddi-start-4", "one"]);
});
