import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
import { testDatabase } from "../kernel/testing.ts";
import { createIntake, createTelemetry, type Intake, keepDeadLetters, type RefusalNote, type Telemetry } from "./index.ts";

/** Everything between a link and a query, real: journal and store in a folder of their own, PostgreSQL in a database of its own. */
export type TelemetryWorld = AsyncDisposable & {
  folder: string;
  clock: Clock;
  store: ChdbStore;
  database: Awaited<ReturnType<typeof testDatabase>>;
  refused: RefusalNote[];
  /** Opens the journal and starts an intake on it; several times in a world, one after the other, as a server that is started again. */
  open(): Promise<{ journal: Journal; intake: Intake; telemetry: Telemetry }>;
};

export async function telemetryWorld({ now = Date.UTC(2026, 5, 15, 12) } = {}): Promise<TelemetryWorld> {
  const folder = await mkdtemp(join(tmpdir(), "tenfold-test-telemetry-"));
  const database = await testDatabase();
  const store = await openChdbStore({ path: join(folder, "clickhouse"), log: silentLog });
  await migrateStore(store, { log: silentLog });
  const clock = { now: () => now };
  const refused: RefusalNote[] = [];
  const opened: { journal: Journal; telemetry: Telemetry }[] = [];
  return {
    folder,
    clock,
    store,
    database,
    refused,
    async open() {
      const journal = await openJournal({ dir: join(folder, "journal"), log: silentLog });
      const putAside = keepDeadLetters({ db: database.db, clock });
      const metrics = createMetrics({ processMetrics: "omit" });
      const intake = createIntake({
        journal,
        putAside,
        onRefused: (note) => refused.push(note),
        log: silentLog,
        metrics,
        batches: { cutAfterMs: 50 },
      });
      const telemetry = createTelemetry({ store, db: database.db, bus: createBus(clock), clock, log: silentLog, intake, putAside });
      intake.start();
      opened.push({ journal, telemetry });
      return { journal, intake, telemetry };
    },
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

/** A message of a device, as a link hands it over. */
export const message = (
  device: string,
  payload: unknown,
  more: Partial<Parameters<Intake["receive"]>[0]> = {},
): Parameters<Intake["receive"]>[0] => ({
  device,
  scope: { fleet: "main" },
  channel: "telemetry",
  payload: Buffer.isBuffer(payload) ? payload : Buffer.from(JSON.stringify(payload)),
  receivedAt: Date.UTC(2026, 5, 15, 12),
  transport: "mqtt",
  ...more,
});
