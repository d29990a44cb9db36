import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAccess } from "../access/index.ts";
import {
  type ChdbStore,
  type Clock,
  createBus,
  createMetrics,
  type Journal,
  migrateStore,
  openChdbStore,
  openJournal,
  silentLog,
} from "../kernel/index.ts";
import { type TestDatabase, testDatabase } from "../kernel/testing.ts";
import { keepDeadLetters } from "./dead-letter.shell.ts";
import { createIntake, type Intake, type RefusalNote } from "./intake.shell.ts";
import type { UpMessage } from "./message.ts";
import { siftBy } from "./sequence.shell.ts";
import { createTelemetry, type Telemetry } from "./telemetry.shell.ts";

/** Everything between a link and a query, real: journal and store in a folder of their own, PostgreSQL in a database of its own. */
export type TelemetryWorld = AsyncDisposable & {
  clock: Clock;
  store: ChdbStore;
  database: TestDatabase;
  refused: RefusalNote[];
  /** Opens the journal and starts an intake on it; several times in a world, one after the other, like a server that is started again. */
  open(options?: { before(intake: Intake): void }): Promise<{ journal: Journal; intake: Intake; telemetry: Telemetry }>;
  /** Damages the closed journal so that it no longer knows that its last batch was applied. Returns how many frames will come again. */
  loseCheckpoints(): Promise<number>;
};

export async function telemetryWorld({ now = Date.UTC(2026, 5, 15, 12) } = {}): Promise<TelemetryWorld> {
  const folder = await mkdtemp(join(tmpdir(), "tenfold-test-telemetry-"));
  const [database, store] = await Promise.all([
    testDatabase(),
    openChdbStore({ path: join(folder, "clickhouse"), log: silentLog }),
  ]);
  await migrateStore(store, { log: silentLog });
  const clock = { now: () => now };
  const refused: RefusalNote[] = [];
  const opened: { journal: Journal; telemetry: Telemetry }[] = [];
  const dir = join(folder, "journal");
  return {
    clock,
    store,
    database,
    refused,
    async open({ before } = { before: () => {} }) {
      const journal = await openJournal({ dir, log: silentLog });
      const putAside = keepDeadLetters({ db: database.db, clock, onRefused: (note) => refused.push(note) });
      const metrics = createMetrics({ processMetrics: "omit" });
      const intake = createIntake({
        journal,
        putAside,
        onRefused: (note) => refused.push(note),
        log: silentLog,
        metrics,
        sift: siftBy({ db: database.db, clock }),
        batches: { cutAfterMs: 50 },
      });
      const telemetry = createTelemetry({
        store,
        db: database.db,
        bus: createBus(clock),
        clock,
        log: silentLog,
        intake,
        putAside,
        audit: createAccess({ db: database.db, clock, log: silentLog }).audit,
        onRefused: (note) => refused.push(note),
        metricBudget: 20,
      });
      before(intake);
      intake.start();
      opened.push({ journal, telemetry });
      return { journal, intake, telemetry };
    },
    loseCheckpoints: () => cutCheckpoints(dir),
    async [Symbol.asyncDispose]() {
      for (const { journal, telemetry } of opened) {
        await journal.close();
        await telemetry.stop();
      }
      await store.close();
      await database[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The last checkpoint is the journal's last record: 9 bytes of header and 12 of position. Without it, its batch counts as not applied. */
async function cutCheckpoints(dir: string): Promise<number> {
  const newest =
    (await readdir(dir))
      .filter((name) => name.endsWith(".segment"))
      .sort()
      .at(-1) ?? "";
  const bytes = await readFile(join(dir, newest));
  const last = bytes.length - 21;
  if (bytes[last + 8] !== 3) throw new Error("The journal does not end with a checkpoint.");
  await writeFile(join(dir, newest), bytes.subarray(0, last));
  const journal = await openJournal({ dir, log: silentLog });
  const { frames } = journal.backlog();
  await journal.close();
  return frames;
}

/** A message of a device, as a link hands it over. */
export const message = (device: string, payload: unknown, more: Partial<UpMessage> = {}): UpMessage => ({
  device,
  scope: { fleet: "main" },
  channel: "telemetry",
  payload: Buffer.isBuffer(payload) ? payload : Buffer.from(JSON.stringify(payload)),
  receivedAt: Date.UTC(2026, 5, 15, 12),
  transport: "mqtt",
  ...more,
});
