import { setTimeout as pause } from "node:timers/promises";
import { describeError, seconds } from "@tenfold/base";
import pg from "pg";
import type { Log } from "../log.ts";

/** Work that one process at a time does, of those that share a database. */
export type Leader = {
  /** Whether this process has the work now. */
  leads(): boolean;
  /** Gives the work back. */
  stop(): Promise<void>;
};

export type LeaderOptions = {
  url: string;
  /** Names the lock; never change it. */
  lock: number;
  log: Log;
  /** Called when this process gets the work; what it resolves to is called when the work is gone, before another process can have it for long. */
  lead(): Promise<() => Promise<void>>;
};

const askMs = seconds(2);

/**
 * Leads while an advisory lock is held on a connection of its own: PostgreSQL gives it to the next process as soon as that connection ends,
 * whatever became of this one. Whoever leads may for a moment not know that it does no longer, so the work itself must stand being done twice.
 */
export function seekLead({ url, lock, log, lead }: LeaderOptions): Leader {
  const ended = new AbortController();
  const { signal } = ended;
  let leading = false;

  const turn = async () => {
    const client = new pg.Client({
      connectionString: url,
      application_name: "tenfold leader",
      keepAlive: true,
      connectionTimeoutMillis: askMs,
      query_timeout: askMs,
    });
    const gone = new AbortController();
    client.on("error", () => gone.abort());
    client.on("end", () => gone.abort());
    try {
      await client.connect();
      while (!signal.aborted && !(await isMine(client, lock))) await rest(askMs, signal);
      if (!signal.aborted) await work(client, gone.signal);
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  const work = async (client: pg.Client, gone: AbortSignal) => {
    const over = AbortSignal.any([signal, gone]);
    const end = await lead();
    leading = true;
    log.info("loops.leading");
    try {
      // A connection whose other end has gone silent still looks like one: it is asked.
      while (!over.aborted) {
        await rest(askMs, over);
        await client.query("select 1");
      }
    } finally {
      leading = false;
      await end();
      log.info("loops.not_leading");
    }
  };
  const run = async () => {
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await turn();
        failures = 0;
      } catch (error) {
        if (failures === 0 && !signal.aborted) log.warn("loops.lead_lost", { because: describeError(error) });
      }
      await rest(Math.min(askMs, 100 * 2 ** failures), signal);
    }
  };
  const running = run();
  return {
    leads: () => leading,
    async stop() {
      ended.abort();
      await running;
    },
  };
}

async function isMine(client: pg.Client, lock: number): Promise<boolean> {
  const { rows } = await client.query<{ mine: boolean }>("select pg_try_advisory_lock($1) as mine", [lock]);
  return rows[0]?.mine ?? false;
}

const rest = (ms: number, signal: AbortSignal) => pause(ms, undefined, { signal }).catch(() => undefined);
