import type { Journal } from "./port.ts";

/**
 * A journal that also applies what another one still holds: after a move from files to a stream, what was acknowledged before must not stay
 * behind. New frames go to `journal` alone.
 */
export function withLeftover(journal: Journal, leftover: Journal): Journal {
  return {
    ...journal,
    backlog() {
      const [now, before] = [journal.backlog(), leftover.backlog()];
      return { frames: now.frames + before.frames, bytes: now.bytes + before.bytes };
    },
    consume(options) {
      const all = [leftover.consume(options), journal.consume(options)];
      return {
        caughtUp: async () => void (await Promise.all(all.map((one) => one.caughtUp()))),
        stop: async () => void (await Promise.all(all.map((one) => one.stop()))),
      };
    },
    close: async () => void (await Promise.all([journal.close(), leftover.close()])),
  };
}
