import assert from "node:assert/strict";
import { test } from "node:test";
import { gather } from "./gather.ts";

test("what is asked for while a batch is under way is one batch after it, and a failure reaches those of its batch only", async () => {
  const batches: number[][] = [];
  const ask = gather<string, number, number>(String, async (_key, wishes) => {
    batches.push([...wishes]);
    await Promise.resolve();
    if (wishes.includes(13)) throw new Error("thirteen");
    return wishes.length;
  });
  const first = ask("a", 1);
  await Promise.resolve();
  await Promise.resolve();
  const later = [ask("a", 2), ask("a", 13), ask("a", 3)];
  const other = ask("b", 4);
  assert.equal(await first, 1);
  assert.deepEqual(
    (await Promise.allSettled(later)).map(({ status }) => status),
    ["rejected", "rejected", "rejected"],
  );
  assert.equal(await other, 1);
  assert.equal(await ask("a", 5), 1);
  assert.deepEqual(
    batches.filter((batch) => !batch.includes(4)),
    [[1], [2, 13, 3], [5]],
  );
});
