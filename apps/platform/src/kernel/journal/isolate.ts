import { describeError, Problem } from "@tenfold/base";

/** Failures that pass: the same call will succeed when its engine is back. Everything else is about what was sent. */
const passing: ReadonlySet<string> = new Set([
  "store_unavailable",
  "query_too_long",
  "database_unavailable",
  "journal_full",
  "journal_busy",
  "journal_unavailable",
]);

export const isPassing = (error: unknown): boolean =>
  error instanceof Problem
    ? passing.has(error.code) || error.status === 503
    : error instanceof Error && "code" in error && typeof error.code === "string" && passingPostgres.test(error.code);

/** PostgreSQL: connection lost, resources, operator, serialisation; and Node's own for a socket. */
const passingPostgres = /^(08|53|57|58|40)|^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_)/;

export type Isolation<Item> = {
  items: readonly Item[];
  /** Names the items; each part gets a token of its own, always the same for the same part. */
  token: string;
  apply(items: readonly Item[], token: string): Promise<void>;
  /** Called for an item that fails alone. What it does must be durable and idempotent: the item will not come again. */
  putAside(item: Item, failure: { token: string; because: string }): Promise<void>;
  tries?: number;
};

/**
 * Applies items that may have a poisoned one among them. A passing failure is thrown: the caller comes again later, with the same items
 * and token. Anything else is tried `tries` times and then narrowed down by halves, until only what fails alone is put aside.
 * `apply` must be atomic, so that the halves of a failed whole are not stored twice.
 */
export async function applyIsolating<Item>(isolation: Isolation<Item>): Promise<void> {
  const { items, token, apply, putAside, tries = 3 } = isolation;
  const failure = await applyOrExplain(() => apply(items, token), tries);
  if (failure === undefined) return;
  const [only] = items;
  if (items.length === 1 && only !== undefined) return putAside(only, { token, because: failure });
  const middle = Math.ceil(items.length / 2);
  // Halves get one try: the whole has shown that time does not help.
  await applyIsolating({ ...isolation, items: items.slice(0, middle), token: `${token}.0`, tries: 1 });
  await applyIsolating({ ...isolation, items: items.slice(middle), token: `${token}.1`, tries: 1 });
}

async function applyOrExplain(apply: () => Promise<void>, tries: number): Promise<string | undefined> {
  for (let tried = 1; ; tried++) {
    try {
      await apply();
      return undefined;
    } catch (error) {
      if (isPassing(error)) throw error;
      if (tried >= tries) return describeError(error);
    }
  }
}
