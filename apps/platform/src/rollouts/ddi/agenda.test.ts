import assert from "node:assert/strict";
import { test } from "node:test";
import { hours, minutes } from "@tenfold/base";
import { type Action, agendaOf, type Current, unprovable, type Visit, wantsAttributes, windowOf } from "./agenda.ts";
import { fileNameOf, isUsableNumber, sleepOf, suffixOf } from "./documents.ts";

const now = 10_000_000;
const current: Current = { deployment: "dep_1", rollback: false, phase: "running", release: "rel_1", version: "2", sha256: "" };
const action = (changes: Partial<Action> = {}): Action => ({
  action: 1_000_001,
  deployment: "dep_1",
  release: "rel_1",
  version: "2",
  sha256: "",
  state: "offered",
  statuses: 0,
  messages: [],
  ...changes,
});
const visit = (changes: Partial<Visit> = {}): Visit => ({ teller: { attributes: {}, starts: 0 }, ...changes });
const agenda = (changes: Partial<Visit>, at = now) => agendaOf(visit(changes), at).is;

test("an update is opened, offered until its device closes it, and then waited for", () => {
  assert.equal(agenda({}), "nothing");
  assert.equal(agenda({ current }), "open");
  assert.equal(agenda({ current, action: action({ deployment: "dep_0" }) }), "open");
  assert.equal(agenda({ current, action: action() }), "deploy");
  assert.equal(agenda({ current, action: action({ closedAt: now, closedAs: "installed" }) }), "nothing");
});

test("a halt is a cancel for who has read the deployment, and for nobody else", () => {
  const halted: Current = { ...current, phase: "rolling_back" };
  assert.equal(agenda({ current: halted }), "withdraw");
  assert.equal(agenda({ current: halted, action: action() }), "withdraw");
  assert.equal(agenda({ current: halted, action: action({ readAt: 1 }) }), "cancel");
  assert.equal(agenda({ current: halted, action: action({ readAt: 1, cancelRefusedAt: 2 }) }), "deploy");
  assert.equal(agenda({ current: halted, action: action({ readAt: 1, closedAt: 2, closedAs: "installed" }) }), "nothing");
  assert.equal(agenda({ current: { ...halted, rollback: true }, action: action({ readAt: 1 }) }), "deploy");
});

test("what ended without its device can still be closed, for a while", () => {
  const ended = (state: Action["state"], changes: Partial<Action> = {}) => ({
    action: action({ state, readAt: 1, endedAt: now, ...changes }),
  });
  assert.equal(agenda(ended("succeeded"), now + minutes(59)), "deploy");
  assert.equal(agenda(ended("succeeded"), now + hours(1)), "nothing");
  assert.equal(agenda(ended("succeeded", { closedAt: now })), "nothing");
  assert.equal(agenda(ended("unresponsive"), now + hours(23)), "cancel");
  assert.equal(agenda(ended("unresponsive"), now + hours(24)), "nothing");
  assert.equal(agenda(ended("unresponsive", { cancelRefusedAt: now })), "nothing");
  assert.equal(agenda(ended("failed"), now + minutes(59)), "deploy");
  assert.equal(agenda(ended("failed", { reason: "install_timed_out" }), now + hours(23)), "cancel");
});

test("attributes are wanted once, and again while a boot is awaited, once an interval", () => {
  const told = (toldAt: number, changes: Partial<Action> = {}) =>
    visit({ teller: { attributes: {}, starts: 0, toldAt }, action: action(changes) });
  const installed = { state: "rebooting", closedAs: "installed", closedAt: now } as const;
  assert.equal(wantsAttributes(visit(), now, 1_000), true);
  assert.equal(wantsAttributes({ ...told(2), issuedAt: 1 }, now, 1_000), false);
  assert.equal(wantsAttributes({ ...told(1), issuedAt: 2 }, now, 1_000), true);
  assert.equal(wantsAttributes(told(1), now, 1_000), false);
  assert.equal(wantsAttributes(told(now - 1, installed), now, 1_000), true);
  assert.equal(wantsAttributes(told(now + 1, installed), now + 2, 1_000), false);
  assert.equal(wantsAttributes(told(now + 1, installed), now + 1_001, 1_000), true);
  assert.equal(wantsAttributes(told(now - 1, { ...installed, state: "succeeded" }), now, 1_000), false);
});

test("a device without a version has one interval to tell it", () => {
  const teller = { attributes: {}, starts: 0 };
  assert.equal(unprovable(teller, now, 1_000), "wait");
  assert.equal(unprovable({ ...teller, askedAt: now - 999 }, now, 1_000), "wait");
  assert.equal(unprovable({ ...teller, askedAt: now - 1_000 }, now, 1_000), "give_up");
  assert.equal(unprovable({ ...teller, toldAt: now }, now, 1_000), "give_up");
});

test("the sleep has eight characters, spread by name; numbers and files are such as clients take", () => {
  assert.equal(sleepOf("a", 1_000), "00:00:01");
  assert.equal(sleepOf("a", hours(48)), "23:59:59");
  const spread = new Set(Array.from({ length: 50 }, (_, i) => sleepOf(`d${i}`, minutes(5))));
  assert.ok(spread.size > 20 && [...spread].every((sleep) => sleep >= "00:04:30" && sleep <= "00:05:30"));
  assert.deepEqual([1_000_001, 2_000_000, 1_100_000].map(isUsableNumber), [true, false, true]);
  assert.deepEqual(
    ["070701", "hsqs", "\0\0"].map((head) => suffixOf(Buffer.from(head))),
    [".swu", ".raucb", ".bin"],
  );
  const longest = fileNameOf({ name: "n".repeat(100), version: "v".repeat(100), suffix: ".signed.bin" });
  assert.ok(`/DEFAULT/controller/v1/${"d".repeat(64)}/softwaremodules/2147483647/artifacts/${longest}`.length < 200);
});

test("outside of its window only a client that is known to wait is shown an update, and what was read goes on", () => {
  const ahead = { ...current, ahead: {} };
  const attributes = { download_ahead: "true" };
  assert.equal(agenda({ current: ahead }), "nothing");
  assert.equal(agenda({ current: ahead, agent: "rauc-hawkbit-c-agent/1.0" }), "open");
  assert.equal(agenda({ current: ahead, teller: { attributes, starts: 0 } }), "open");
  assert.equal(agenda({ current: ahead, agent: "swupdate" }), "nothing");
  assert.equal(agenda({ current: ahead, action: action({ readAt: 1, ahead: {} }) }), "deploy");
  assert.equal(agenda({ current: { ...ahead, ahead: { go: {} } } }), "open");
  assert.equal(agenda({ current: { ...ahead, ahead: { go: { until: now + 1 } } } }), "open");
  assert.equal(agenda({ current: { ...ahead, ahead: { go: { until: now } } } }), "nothing");
  assert.deepEqual(
    [undefined, {}, { go: {} }, { go: { until: now } }].map((of) => windowOf(of === undefined ? {} : { ahead: of }, now)),
    [undefined, "unavailable", "available", "unavailable"],
  );
});
