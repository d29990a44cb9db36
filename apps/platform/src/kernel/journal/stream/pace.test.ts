import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamPace } from "./pace.ts";

/** A stream of messages of a thousand bytes, looked at each second. */
function played(looks: { firstSeq: number; messages: number }[], freeBytes = 10_000): boolean {
  const pace = new StreamPace(freeBytes);
  for (const [i, look] of looks.entries()) pace.look({ ...look, at: i * 1_000, bytes: look.messages * 1_000 });
  return pace.isBehind();
}

test("what would take too long to leave the stream at the present pace is too much, and what is little never is", () => {
  const slow = { firstSeq: 11, messages: 100 }; // Ten a second.
  assert.equal(played([{ firstSeq: 1, messages: 100 }, slow]), true);
  assert.equal(played([{ firstSeq: 1, messages: 100 }, slow], 1_000_000), false);
  assert.equal(played([{ firstSeq: 1, messages: 100 }, slow, { firstSeq: 101, messages: 100 }]), false, "it has become quick");
});

test("before anything was applied nobody knows the pace, and nobody is made to wait", () => {
  assert.equal(played([{ firstSeq: 1, messages: 5_000 }]), false);
  assert.equal(played([]), false);
});

test("a store that is down makes nobody wait, and its first step afterwards is not taken for its pace", () => {
  const down = Array.from({ length: 13 }, () => ({ firstSeq: 11, messages: 1_000 }));
  const before = [{ firstSeq: 1, messages: 1_000 }, ...down];
  assert.equal(played(before.slice(0, 5)), true);
  assert.equal(played(before), false);
  assert.equal(played([...before, { firstSeq: 21, messages: 1_000 }]), false);
  assert.equal(played([...before, { firstSeq: 21, messages: 1_000 }, { firstSeq: 31, messages: 1_000 }]), true);
});
