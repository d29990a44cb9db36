import { setTimeout as pause } from "node:timers/promises";
import { Problem } from "@tenfold/base";

const longestMs = 200_000;
/** Answers that say "not now". Every other refusal is the answer, and a 500 is a defect. */
const later = new Set(["unreachable", "idempotency_request_running"]);

/** Asks until an answer comes: while the platform is away that takes a while. What it refuses for good is thrown. */
export async function insist<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  for (const giveUpAt = Date.now() + longestMs; ; await pause(250)) {
    try {
      return await ask();
    } catch (error) {
      const isLater = !(error instanceof Problem) || later.has(error.code) || error.status === 503;
      if (!isLater || Date.now() > giveUpAt) throw error;
    }
  }
}
