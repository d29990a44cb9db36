import { setTimeout as pause } from "node:timers/promises";
import { describeError, seconds } from "@tenfold/base";
import pg from "pg";
import type { Log } from "../log.ts";
import type { BusWire } from "./wire.ts";

/** [PostgreSQL NOTIFY] "In the default configuration it must be shorter than 8000 bytes." */
const maxBytes = 7_900;
const askMs = seconds(5);

type Options = { url: string; log: Log; channel?: string };
type Listening = {
  client: pg.Client;
  gone: Promise<void>;
  /** One question after the other. */
  ask(sql: string, values: readonly string[]): Promise<void>;
};

/** The bus over NOTIFY and LISTEN, on a connection of its own that comes back by itself. Resolves when it listens. */
export async function postgresWire({ url, log, channel = "tenfold_bus" }: Options): Promise<BusWire> {
  const ended = new AbortController();
  let listener: (text: string) => void = () => {};
  const listen = (): Promise<Listening> => listenOn(url, channel, (text) => listener(text));
  let open: Listening | undefined = await listen();

  const keep = async () => {
    while (!ended.signal.aborted) {
      await open?.gone;
      open = undefined;
      if (ended.signal.aborted) return;
      log.warn("bus.connection_lost");
      open = await again(listen, { ended: ended.signal, log });
      if (open) log.info("bus.connection_back");
    }
  };
  // A connection whose other end has gone silent looks like a quiet one: it is asked.
  const asking = setInterval(() => {
    const asked = open;
    asked?.ask("select 1", []).catch(() => asked.client.end().catch(() => undefined));
  }, askMs).unref();
  const keeping = keep();
  return {
    maxBytes,
    send(text) {
      open?.ask("select pg_notify($1, $2)", [channel, text]).catch(() => undefined);
    },
    listen(given) {
      listener = given;
    },
    connected: () => open !== undefined,
    async close() {
      ended.abort();
      clearInterval(asking);
      await open?.client.end().catch(() => undefined);
      await keeping;
    },
  };
}

async function listenOn(url: string, channel: string, heard: (text: string) => void): Promise<Listening> {
  const client = new pg.Client({
    connectionString: url,
    application_name: "tenfold bus",
    keepAlive: true,
    connectionTimeoutMillis: askMs,
    query_timeout: askMs,
  });
  const gone = Promise.withResolvers<void>();
  // Without a listener, a connection that the server ends would end this process.
  client.on("error", () => gone.resolve());
  client.on("end", () => gone.resolve());
  client.on("notification", ({ payload = "" }) => heard(payload));
  await client.connect();
  await client.query(`listen ${pg.escapeIdentifier(channel)}`);
  let last: Promise<void> = Promise.resolve();
  const ask: Listening["ask"] = (sql, values) => {
    const mine = last.then(async () => void (await client.query(sql, [...values])));
    last = mine.catch(() => undefined);
    return mine;
  };
  return { client, gone: gone.promise, ask };
}

/** Tries until it listens; undefined when `ended` aborts first. */
async function again(
  listen: () => Promise<Listening>,
  { ended, log }: { ended: AbortSignal; log: Log },
): Promise<Listening | undefined> {
  for (let failures = 0; !ended.aborted; failures++) {
    try {
      return await listen();
    } catch (error) {
      log.debug("bus.not_back", { because: describeError(error) });
      await pause(Math.min(2_000, 100 * 2 ** failures), undefined, { signal: ended }).catch(() => undefined);
    }
  }
  return undefined;
}
