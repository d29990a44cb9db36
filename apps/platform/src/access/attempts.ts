import { minutes } from "@tenfold/base";

/** Slows down whoever tries tokens. A token that was good before is never held up by its neighbours behind the same address. */
export type AttemptLimit = {
  mayTry(attempt: Attempt, now: number): boolean;
  failed(attempt: Attempt, now: number): void;
  succeeded(attempt: Attempt): void;
};

/** `secret` is the token's hash. */
export type Attempt = { address: string; secret: string };

const allowed = { failures: 30, within: minutes(1) } as const;

/** Counts in memory, for at most `remembered` addresses and as many good tokens; the longest unseen are forgotten first. */
export function createAttemptLimit(remembered = 10_000): AttemptLimit {
  const failures = new Map<string, { since: number; count: number }>();
  const good = new Map<string, true>();
  return {
    mayTry({ address, secret }, now) {
      const seen = failures.get(address);
      return good.has(secret) || seen === undefined || now - seen.since >= allowed.within || seen.count < allowed.failures;
    },
    failed({ address, secret }, now) {
      good.delete(secret);
      const seen = failures.get(address);
      const fresh = seen === undefined || now - seen.since >= allowed.within;
      keepNewest(failures, {
        key: address,
        value: fresh ? { since: now, count: 1 } : { since: seen.since, count: seen.count + 1 },
        most: remembered,
      });
    },
    succeeded({ secret }) {
      keepNewest(good, { key: secret, value: true, most: remembered });
    },
  };
}

function keepNewest<Value>(map: Map<string, Value>, { key, value, most }: { key: string; value: Value; most: number }): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.size > most ? map.keys().next() : undefined;
  if (oldest && !oldest.done) map.delete(oldest.value);
}
