import { describeError, minutes, newId, type Scope } from "@tenfold/base";
import type { EnrollmentAttempt } from "@tenfold/contracts";
import { sql } from "kysely";
import type { Clock, Database, Log, Queryable } from "../kernel/index.ts";
import type { Method, Operation, Step } from "./attempt.ts";

export type AttemptEntry = {
  readonly operation: Operation;
  readonly method: Method;
  readonly verdict: EnrollmentAttempt["verdict"];
  readonly step: Step;
  readonly because: string;
  readonly reason: string;
  readonly fix?: string | undefined;
  readonly serial?: string | undefined;
  readonly device?: string | undefined;
  readonly remoteAddress?: string | undefined;
  readonly fingerprint?: string | undefined;
};

/** Writes one entry and answers its id. With `repeats`, an entry of the same key only counts up. */
export async function insertAttempt(
  db: Queryable,
  scope: Scope,
  entry: AttemptEntry & { at: number; repeats?: string; count?: number },
): Promise<string> {
  const id = newId("atp", entry.at);
  const at = new Date(entry.at);
  const count = entry.count ?? 1;
  const { rows } = await sql<{ id: string }>`
    insert into enrollment.attempt
      (id, fleet, at, last_at, count, repeats, serial, device, operation, method, verdict, step, because, reason, fix, remote_address, fingerprint)
    values (${id}, ${scope.fleet}, ${at}, ${at}, ${count}, ${entry.repeats ?? null}, ${text(entry.serial, 64)}, ${entry.device ?? null}, ${entry.operation},
      ${entry.method}, ${entry.verdict}, ${entry.step}, ${entry.because}, ${text(entry.reason, 500)}, ${entry.fix ?? null}, ${entry.remoteAddress ?? null}, ${entry.fingerprint ?? null})
    on conflict (repeats) do update set count = enrollment.attempt.count + excluded.count, last_at = excluded.last_at
    returning id`.execute(db);
  return rows[0]?.id ?? id;
}

// What a stranger sends may be long, and PostgreSQL's text holds no NUL.
const text = (value: string | undefined, most: number): string | null =>
  value === undefined ? null : value.replaceAll("\0", "").slice(0, most);

/** Different refusals that are written in one minute; what comes beyond is counted under its reason alone. */
const mostKeysAMinute = 300;

export type Refusals = {
  /** Notes a refusal. Never throws: a full disk must not turn a 403 into a 500. Resolves when the first one of a kind is stored. */
  note(scope: Scope, entry: AttemptEntry): Promise<void>;
  /** Stores the counts that were kept in memory. */
  flush(): Promise<void>;
};

/**
 * The log of refusals, bounded: the same device, reason and operation is one row a minute with its count, and a minute has a limited
 * number of rows, so that a hostile client can fill neither the table nor the database's time.
 */
export function createRefusals({ db, clock, log }: { db: Database; clock: Clock; log: Log }): Refusals {
  let minute = -1;
  let kept = new Map<string, { scope: Scope; entry: AttemptEntry; at: number; unsaved: number }>();

  const save = async (key: string, scope: Scope, entry: AttemptEntry & { at: number; count: number }): Promise<void> => {
    try {
      await insertAttempt(db, scope, { ...entry, repeats: key });
    } catch (error) {
      log.error("enrollment.attempt_not_logged", { because: describeError(error), refusal: entry.because });
    }
  };
  const flush = async (): Promise<void> => {
    const full = kept;
    kept = new Map();
    for (const [key, { scope, entry, at, unsaved }] of full)
      if (unsaved > 0) await save(key, scope, { ...entry, at, count: unsaved });
  };
  return {
    flush,
    async note(scope, entry) {
      const at = clock.now();
      const thisMinute = Math.floor(at / minutes(1));
      if (thisMinute !== minute) {
        minute = thisMinute;
        await flush();
      }
      const crowded = kept.size >= mostKeysAMinute;
      const who = crowded ? "many" : (entry.fingerprint ?? entry.serial ?? entry.remoteAddress ?? "nobody");
      const key = `${minute}/${scope.fleet}/${entry.operation}/${entry.because}/${who.slice(0, 100)}`;
      const known = kept.get(key);
      if (known !== undefined) {
        known.unsaved += 1;
        return;
      }
      const shown = crowded ? { ...entry, fingerprint: undefined, serial: undefined, device: undefined } : entry;
      kept.set(key, { scope, entry: shown, at, unsaved: 0 });
      await save(key, scope, { ...shown, at, count: 1 });
    },
  };
}
