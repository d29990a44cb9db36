import assert from "node:assert/strict";
import { test } from "node:test";
import { createEnding } from "./ending.ts";
import { createLog } from "./kernel/index.ts";

test("parts end in the reverse order, once; one that fails or hangs is named and does not keep the others", async () => {
  const logged: Record<string, unknown>[] = [];
  const ending = createEnding(createLog({ level: "debug", write: (line) => logged.push(JSON.parse(line)) }));
  const ended: string[] = [];
  ending.add("engine", 1_000, async () => ended.push("engine"));
  ending.add("stuck", 1, () => new Promise(() => {}));
  ending.add("broken", 1_000, () => {
    throw new Error("no");
  });
  ending.add("door", 1_000, async () => ended.push("door"));
  await Promise.all([ending.end(), ending.end()]);
  assert.deepEqual(ended, ["door", "engine"]);
  assert.deepEqual(
    logged.map(({ stopping, because }) => [stopping, because]),
    [
      ["broken", "no"],
      ["stuck", "not stopped within 1 ms"],
    ],
  );
});
