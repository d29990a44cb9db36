import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { findNatsServer, type NatsServer, startNatsServer } from "@tenfold/testkit";
import { silentLog } from "../log.ts";
import { type Nats, openNats } from "../nats/index.ts";
import { type JournalWorld, journalContract } from "./contract.testing.ts";
import { openJournal } from "./journal.ts";
import { openStreamJournal } from "./stream/journal.ts";

journalContract("files", async (): Promise<JournalWorld> => {
  const root = await mkdtemp(join(tmpdir(), "tenfold-test-journal-"));
  let lives = 0;
  const dirOf = (life: number) => join(root, `life-${life}`);
  return {
    open: (limits = {}) =>
      openJournal({ dir: dirOf(lives), log: silentLog, limits: { segmentBytes: (limits.quotaBytes ?? 64_000) / 4, ...limits } }),
    async abandon(journal) {
      // What a process leaves that dies now: the folder as it is, without the lock. The old one goes on into nothing.
      await cp(dirOf(lives), dirOf(lives + 1), { recursive: true, filter: (path) => !path.endsWith("lock") });
      lives += 1;
      await journal.close();
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
});

const binary = findNatsServer();
let server: Promise<NatsServer> | undefined;
after(async () => (await server)?.[Symbol.asyncDispose]());
let worlds = 0;

journalContract(
  "stream",
  async (): Promise<JournalWorld> => {
    server ??= startNatsServer(binary ?? "");
    const { url } = await server;
    const prefix = `contract${worlds++}`;
    const open = new Map<unknown, Nats>();
    return {
      async open(limits = {}) {
        const nats = await openNats({ url, log: silentLog });
        const journal = await openStreamJournal({ nats, prefix, log: silentLog, limits: { ...limits, takeOverMs: 400 } });
        open.set(journal, nats);
        return journal;
      },
      async abandon(journal) {
        // The connection breaks first, so that the turn cannot be handed on.
        await open.get(journal)?.connection.close();
        await journal.close();
      },
      async [Symbol.asyncDispose]() {
        for (const nats of open.values()) await nats.close();
      },
    };
  },
  binary === undefined ? { skip: "no nats-server here: install the Debian package nats-server" } : {},
);
