import assert from "node:assert/strict";

export type Counts = { passed: number; failed: number; skipped?: number };
export type Steps = Counts & { step(sentence: string, examine: () => Promise<void>): Promise<void> };

/** Examines one fact after another and counts them; a failure is told and does not hide those after it. */
export function steps(suite: string): Steps {
  const counts: Steps = {
    passed: 0,
    failed: 0,
    async step(sentence, examine) {
      try {
        await examine();
        counts.passed += 1;
        console.log(`✓ ${suite}: ${sentence}`);
      } catch (error) {
        counts.failed += 1;
        console.log(`✗ ${suite}: ${sentence}\n    ${error instanceof Error ? error.message.split("\n").join("\n    ") : error}`);
      }
    },
  };
  return counts;
}

/** Looks again until it holds, for at most ten seconds unless told otherwise. */
export async function eventually(examine: () => Promise<void>, withinMs = 10_000): Promise<void> {
  for (const deadline = Date.now() + withinMs; ; await new Promise((again) => setTimeout(again, 200))) {
    try {
      await examine();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

export const same = (actual: unknown, expected: unknown): void => assert.deepEqual(actual, expected);
