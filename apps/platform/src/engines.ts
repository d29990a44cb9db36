import { chmod, mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Config } from "./config.ts";
import {
  type Blobs,
  type ColumnStore,
  type Database,
  type Journal,
  type Log,
  migrate,
  migrateStore,
  openBlobs,
  openChdbStore,
  openClickHouseStore,
  openDatabase,
  openJournal,
  startEmbedded,
} from "./kernel/index.ts";

/** What the platform stands on. */
export type Engines = {
  dataDir: string;
  db: Database;
  store: ColumnStore;
  journal: Journal;
  blobs: Blobs;
  /** Which kind each is, for `/api/v1/version`. */
  kinds: Record<string, string>;
  /** In the reverse order of their start. */
  stop(): Promise<void>;
};

/** Starts the embedded engines, or connects to those that the configuration names. What was started is stopped again when a later one fails. */
export async function startEngines({ config, log }: { config: Config; log: Log }): Promise<Engines> {
  const dataDir = resolve(config.data);
  await mkdir(dataDir, { recursive: true });
  // The embedded database's user must be able to pass through; what is secret below has a mode of its own.
  await chmod(dataDir, 0o755);
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const end of stops.splice(0).toReversed()) await end();
  };
  try {
    // Both engines start at the same time: together they take most of a cold start.
    const [database, store] = await Promise.allSettled([
      startDatabase({ config, dataDir, log }),
      startStore({ config, dataDir, log }),
    ]);
    if (store.status === "fulfilled") stops.push(() => store.value.close());
    if (database.status === "fulfilled") stops.push(database.value.stop);
    if (store.status === "rejected") throw store.reason;
    if (database.status === "rejected") throw database.reason;
    const journal = await openJournal({
      dir: join(dataDir, "journal"),
      log: log.child({ part: "journal" }),
      limits: { quotaBytes: config["journal.max.bytes"] },
    });
    stops.push(() => journal.close());
    const blobs = await openBlobs(join(dataDir, "blobs"));
    const kinds = {
      postgresql: config["database.url"] === undefined ? "embedded" : "external",
      clickhouse: config["clickhouse.url"] === undefined ? "embedded (chdb)" : "external",
      journal: "file",
      artifacts: "file",
    };
    return { dataDir, db: database.value.db, store: store.value, journal, blobs, kinds, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Start = { config: Config; dataDir: string; log: Log };

async function startDatabase({ config, dataDir, log }: Start): Promise<{ db: Database; stop: () => Promise<void> }> {
  const part = log.child({ part: "postgresql" });
  const external = config["database.url"];
  const embedded = external === undefined ? await startEmbedded({ folder: join(dataDir, "postgres"), log: part }) : undefined;
  try {
    const url = external ?? embedded?.url ?? "";
    await migrate({ url, log: part });
    const { db, close } = await openDatabase({ url, log: part });
    return {
      db,
      async stop() {
        await close();
        await embedded?.stop();
      },
    };
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

async function startStore({ config, dataDir, log }: Start): Promise<ColumnStore> {
  const part = log.child({ part: "clickhouse" });
  const url = config["clickhouse.url"];
  const store =
    url === undefined
      ? await openChdbStore({ path: join(dataDir, "clickhouse"), log: part })
      : await openClickHouseStore({ url, log: part });
  try {
    await migrateStore(store, { log: part });
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}
