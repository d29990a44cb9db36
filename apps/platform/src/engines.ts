import { existsSync } from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Config } from "./config.ts";
import { createEnding, type Ending } from "./ending.ts";
import {
  absentJournal,
  absentStore,
  type Blobs,
  type Bus,
  type BusWire,
  type Clock,
  type ColumnStore,
  createBus,
  type Database,
  demandDurable,
  type Journal,
  journalProblems,
  type Log,
  migrate,
  migrateStore,
  type Nats,
  natsWire,
  openBlobs,
  openChdbStore,
  openClickHouseStore,
  openDatabase,
  openJournal,
  openNats,
  openS3Blobs,
  openStreamJournal,
  postgresWire,
  startEmbedded,
  withLeftover,
} from "./kernel/index.ts";
import { needsStore } from "./roles.ts";

/** What the platform stands on. */
export type Engines = {
  dataDir: string;
  db: Database;
  databaseUrl: string;
  store: ColumnStore;
  bus: Bus;
  journal: Journal;
  blobs: Blobs;
  /** The parts of unfinished uploads: apart from the artifacts, because they are removed again. */
  uploadParts: Blobs;
  /** What devices leave behind when they crash: apart from the artifacts, so that the one is never taken for the other. */
  crashBlobs: Blobs;
  /** Which kind each is, for `/api/v1/version`. */
  kinds: Record<string, string>;
};

type EngineOptions = {
  config: Config;
  clock: Clock;
  log: Log;
  ending: Ending;
  /** Called when the journal can promise nothing any more: this process must end, so that another one begins from what is on the disk. */
  onBroken: (because: string) => void;
};

/** Engines that are starting, and what becomes of them. */
export type StartingEngines = {
  engines: Promise<Engines>;
  /** Ends whatever has started so far. */
  ending: Ending;
  /** Resolves when the journal can promise nothing any more: this process must end, so that another one begins from what is on the disk. */
  broken: Promise<string>;
};

/** Begins to start them and does not wait. */
export function beginEngines({ config, clock, log }: Pick<EngineOptions, "config" | "clock" | "log">): StartingEngines {
  const ending = createEnding(log);
  const broken = Promise.withResolvers<string>();
  const engines = startEngines({ config, clock, log, ending, onBroken: broken.resolve });
  // Whoever awaits them hears of a failure; until somebody does it must not end the process.
  engines.catch(() => {});
  return { engines, ending, broken: broken.promise };
}

/** Starts the embedded engines, or connects to those that the configuration names. `ending` stops what was started, in the reverse order. */
async function startEngines({ config, clock, log, ending, onBroken }: EngineOptions): Promise<Engines> {
  const dataDir = resolve(config.data);
  await mkdir(dataDir, { recursive: true });
  // The embedded database's user must be able to pass through; what is secret below has a mode of its own.
  await chmod(dataDir, 0o755);
  // Both engines start at the same time: together they take most of a cold start.
  const [database, store] = await Promise.allSettled([
    startDatabase({ config, dataDir, log }),
    startStore({ config, dataDir, log }),
  ]);
  if (store.status === "fulfilled") ending.add("telemetry store", stopMs, () => store.value.close());
  if (database.status === "fulfilled") ending.add("postgresql", stopMs, database.value.stop);
  if (store.status === "rejected") throw store.reason;
  if (database.status === "rejected") throw database.reason;
  const nats = await startNats({ config, log });
  if (nats !== undefined) ending.add("nats", stopMs, () => nats.close());
  const { db, url: databaseUrl } = database.value;
  const bus = createBus(clock, await startWire({ config, log, nats, databaseUrl }));
  ending.add("bus", stopMs, () => bus.close());
  const journal = await startJournal({ config, dataDir, log, nats, onBroken });
  ending.add("journal", stopMs, () => journal.close());
  const blobs = await startBlobs({ config, dataDir, log }, "blobs");
  const uploadParts = await startBlobs({ config, dataDir, log }, "uploads");
  const crashBlobs = await startBlobs({ config, dataDir, log }, "crashes");
  const kinds = {
    postgresql: config["database.url"] === undefined ? "embedded" : "external",
    clickhouse: config["clickhouse.url"] === undefined ? "embedded (chdb)" : "external",
    journal: nats === undefined ? "file" : "NATS JetStream",
    bus: nats !== undefined ? "NATS" : config["database.url"] === undefined ? "in process" : "PostgreSQL",
    artifacts: config["s3.bucket"] === undefined ? "file" : "S3",
  };
  return { dataDir, db, databaseUrl, store: store.value, bus, journal, blobs, uploadParts, crashBlobs, kinds };
}

/** For each engine; what is not down by then is stopped by its own watchdog when the process ends. */
const stopMs = 6_000;

type Start = { config: Config; dataDir: string; log: Log };

async function startDatabase({ config, dataDir, log }: Start): Promise<{ db: Database; url: string; stop: () => Promise<void> }> {
  const part = log.child({ part: "postgresql" });
  const external = config["database.url"];
  const embedded = external === undefined ? await startEmbedded({ folder: join(dataDir, "postgres"), log: part }) : undefined;
  const url = external ?? embedded?.url ?? "";
  let close = async () => {};
  const stop = async () => {
    await close();
    await embedded?.stop();
  };
  try {
    // Opening it looks at the server: one that is too old or not durable is refused before anything is written to it.
    const opened = await openDatabase({ url, log: part });
    close = opened.close;
    await migrate({ url, log: part });
    return { db: opened.db, url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startNats({ config, log }: Omit<Start, "dataDir">): Promise<Nats | undefined> {
  const url = config["nats.url"];
  if (url === undefined) return undefined;
  const part = log.child({ part: "nats" });
  const { "nats.credentials": credentials, "nats.ca": ca } = config;
  const nats = await openNats({ url, ...(credentials && { credentials }), ...(ca && { ca }), log: part });
  try {
    await demandDurable({ sync: config["nats.sync"], monitors: config["nats.monitor.url"], log: part });
    return nats;
  } catch (error) {
    await nats.close();
    throw error;
  }
}

/** Artifacts, the pieces of those under way, or what crashes left behind: in the data folder, in a folder that processes share, or in S3. */
async function startBlobs({ config, dataDir }: Start, what: "blobs" | "uploads" | "crashes"): Promise<Blobs> {
  const { "s3.bucket": bucket, "s3.endpoint": endpoint, "s3.region": region, "blobs.dir": shared } = config;
  const { "s3.access.key": accessKey, "s3.secret": secret } = config;
  // Such a bucket without its keys was refused with the configuration.
  if (bucket !== undefined && accessKey !== undefined && secret !== undefined)
    return openS3Blobs({
      ...(endpoint === undefined ? {} : { endpoint }),
      ...{ bucket, region, accessKey, secret },
      prefix: `${what}/`,
      spoolDir: join(dataDir, what, "incoming"),
    });
  if (shared !== undefined) return openBlobs(what === "blobs" ? shared : join(shared, what));
  return openBlobs(join(dataDir, what));
}

type StartWire = Omit<Start, "dataDir"> & { nats: Nats | undefined; databaseUrl: string };

/** What carries the bus to other processes; none where this process has an embedded database and so is alone. */
async function startWire({ config, log, nats, databaseUrl }: StartWire): Promise<BusWire | undefined> {
  if (nats !== undefined) return natsWire({ nats, prefix: config["nats.prefix"] });
  return config["database.url"] === undefined ? undefined : postgresWire({ url: databaseUrl, log: log.child({ part: "bus" }) });
}

type StartJournal = Start & { nats: Nats | undefined; onBroken: EngineOptions["onBroken"] };

/** The journal in files, or the stream; then with what an earlier process without NATS has left in files. */
async function startJournal({ config, dataDir, log, nats, onBroken }: StartJournal): Promise<Journal> {
  const part = log.child({ part: "journal" });
  const dir = join(dataDir, "journal");
  const limits = { quotaBytes: config["journal.max.bytes"] };
  const { roles } = config;
  if (!roles.includes("links") && !roles.includes("intake")) return absentJournal;
  if (nats === undefined) return openJournal({ dir, log: part, limits, onBroken });
  const stream = await openStreamJournal({
    nats,
    prefix: config["nats.prefix"],
    replicas: config["nats.replicas"],
    log: part,
    limits,
  });
  if (!existsSync(dir)) return stream;
  const files = await openJournal({ dir, log: part, limits, onBroken });
  const { frames } = files.backlog();
  if (frames > 0 && !roles.includes("intake")) {
    await files.close();
    throw journalProblems.journal_left(
      `${frames} acknowledged messages wait in ${dir}, and this process has no role intake to apply them.`,
      {
        fix: "Start it once with --roles links,intake, until journal/ is empty.",
      },
    );
  }
  if (frames > 0) {
    part.warn("journal.files_left", { frames, meaning: "acknowledged before NATS was configured; they are applied now" });
    return withLeftover(stream, files);
  }
  await files.close();
  return stream;
}

async function startStore({ config, dataDir, log }: Start): Promise<ColumnStore> {
  if (!needsStore(config.roles)) return absentStore("this process has the role links alone");
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
