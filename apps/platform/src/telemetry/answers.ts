import { describeError, Problem } from "@tenfold/base";
import type { Received, UpMessage } from "./message.ts";

export type Counted = Pick<UpMessage, "transport" | "channel"> & { result: Received["is"]; many: number };

type Group = { written: Promise<unknown>; answer: Promise<Received>; tally: Counted[] };

const stored: Received = { is: "stored" };

/**
 * Answers for messages that are being written. Those that the journal writes together share one promise, so that a commit of thousands costs one
 * answer, and whoever waits for many can tell that they are one. `count` is told of each group once.
 */
export function createAnswers(count: (counted: Counted) => void) {
  let last: Group | undefined;

  const begin = (written: Promise<unknown>): Group => {
    const tally: Counted[] = [];
    const settle = (received: Received): Received => {
      for (const { transport, channel, many } of tally) count({ transport, channel, many, result: received.is });
      return received;
    };
    const answer = written.then(
      () => settle(stored),
      (error: unknown) => settle({ is: "unavailable", detail: error instanceof Problem ? error.message : describeError(error) }),
    );
    return { written, answer, tally };
  };

  /** The answer for a message whose frame `written` resolves for. Never rejects. */
  return (written: Promise<unknown>, { transport, channel }: UpMessage): Promise<Received> => {
    if (last?.written !== written) last = begin(written);
    const found = last.tally.find((one) => one.channel === channel && one.transport === transport);
    if (found) found.many += 1;
    else last.tally.push({ transport, channel, result: "stored", many: 1 });
    return last.answer;
  };
}
