import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { firstResend, longestResend, resultGrace } from "./limits.ts";
import { type Pending, planCommand, resendAfter } from "./plan.ts";

const start = Date.UTC(2026, 9, 1);
const anyPending: fc.Arbitrary<Pending> = fc.record({
  id: fc.constant("cmd_1"),
  device: fc.constant("pump-1"),
  state: fc.constantFrom("queued", "sent", "delivered"),
  deadlineAt: fc.integer({ min: start - 100_000, max: start + 100_000_000 }),
  attempts: fc.nat(5_000),
});

test("whatever the picture, a command is looked at again before long, is never sent past its deadline, and ends soon after it", () => {
  fc.assert(
    fc.property(anyPending, (pending) => {
      const step = planCommand(pending, start);
      const over = start >= pending.deadlineAt + resultGrace;
      assert.equal(step.do === "expire", over);
      if (step.do === "expire") return;
      assert.ok(step.lookAt > start, "a step that is due at once again would spin");
      assert.ok(step.lookAt <= pending.deadlineAt + resultGrace, "silence past the deadline is an outcome");
      if (step.do === "send") assert.ok(start < pending.deadlineAt && pending.state !== "delivered");
    }),
  );
});

test("a command that is followed through its steps is sent at least once if it had any time, and comes to its end", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 86_400_000 }), (time) => {
      let [now, attempts, sent] = [start, 0, 0];
      for (let steps = 0; steps < 10_000; steps++) {
        const step = planCommand({ id: "c", device: "d", state: "queued", deadlineAt: start + time, attempts }, now);
        if (step.do === "expire") {
          assert.ok(sent >= 1);
          return;
        }
        if (step.do === "send") [sent, attempts] = [sent + 1, attempts + 1];
        now = step.lookAt;
      }
      assert.fail("it never ended");
    }),
  );
});

test("the pause between two tries grows from ten seconds to ten minutes", () => {
  const pauses = Array.from({ length: 40 }, (_, attempts) => resendAfter(attempts));
  assert.deepEqual([pauses[0], pauses.at(-1)], [firstResend, longestResend]);
  assert.deepEqual(
    pauses,
    pauses.toSorted((a, b) => a - b),
  );
});
