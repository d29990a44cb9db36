import { setTimeout as pause } from "node:timers/promises";
import { Problem } from "@tenfold/base";

const longestMs = 200_000;
/** Answers that say "not now". Every other refusal is the answer, and a 500 is a defect. */
const isLater = (error: unknown): boolean => !(error instanceof Problem) || error.code === "unreachable" || error.status === 503;

/** Asks until an answer comes: while the platform is away that takes a while. What it refuses for good is thrown. */
export async function insist<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  for (const giveUpAt = Date.now() + longestMs; ; await pause(250)) {
    try {
      return await ask();
    } catch (error) {
      if (!isLater(error) || Date.now() > giveUpAt) throw error;
    }
  }
}
