import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "./index.ts";
import { compare, splitReplies } from "./replies.ts";
import { readBytes } from "./sequences.ts";

test("[M22] none of the recorded packet sequences is accepted that is bad, refused that is good, or answered wrongly", async (context) => {
  const { skipped, total, accepted_bad, rejected_good, wrong_answer, death } = await run();
  if (skipped) return context.skip(skipped);
  assert.ok(total > 1_800, `only ${total} sequences were found`);
  assert.deepEqual(
    { accepted_bad, rejected_good, wrong_answer, death },
    { accepted_bad: 0, rejected_good: 0, wrong_answer: 0, death: 0 },
  );
});

test("the notation of the sequences is read byte for byte", () => {
  assert.equal(readBytes("10 r15 s6 'MQIsdp' 03 01 k10 s1 'p'").toString("hex"), "100f00064d51497364700301000a000170");
  assert.equal(readBytes("82 r268435456 v200 m1234 H20 L1 i7").toString("hex"), "828080808001c80104d200140000000107");
});

test("an answer of the same tenor is lenient, one of another is different", () => {
  const likeness = (expected: string, given: string) => {
    const [wanted, answered] = [expected, given].map((notation) => splitReplies(readBytes(notation)).replies[0]);
    assert.ok(wanted && answered);
    return compare(wanted, answered, 5);
  };
  assert.equal(likeness("40 r2 m1", "40 r2 m1"), "exact");
  assert.equal(likeness("40 r3 m1 10", "40 r2 m1"), "lenient");
  assert.equal(likeness("40 r3 m1 87", "40 r3 m1 90"), "lenient");
  assert.equal(likeness("40 r2 m1", "40 r3 m1 87"), "different");
  assert.equal(likeness("40 r2 m1", "40 r2 m2"), "different");
  assert.equal(likeness("90 r4 m1 v0 02", "90 r4 m1 v0 01"), "lenient");
  assert.equal(likeness("90 r4 m1 v0 01", "90 r4 m1 v0 02"), "different");
});
