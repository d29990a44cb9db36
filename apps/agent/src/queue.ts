import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { Problem } from "@tenfold/base";
import type { Link } from "@tenfold/device";

export type QueueFigures = { depth: number; oldestAgeS: number; dropped: number; refused: number };

/** What waits to be sent, on disk: what was measured offline is still there after a power cut. */
export type Queue = {
  /** Durable when it returns. The oldest give way when the queue is full, and are counted. */
  push(message: { topic: string; payload: string }, now: number): void;
  /** Sends the oldest first until the queue is empty or the link fails. Calls while it runs are one run. */
  drain(link: Link): Promise<void>;
  figures(now: number): QueueFigures;
  close(): void;
};

/** Messages on their way at the same time: an answer takes a round trip, and a slow link should not wait for each. */
const window = 16;

export function openQueue(path: string, maxRows: number): Queue {
  const db = new DatabaseSync(path);
  // [architecture.md] With NORMAL an acknowledged commit can be lost in a power cut.
  db.exec(
    "pragma journal_mode = wal; pragma synchronous = full; create table if not exists outgoing (id integer primary key autoincrement, at integer not null, topic text not null, payload text not null) strict",
  );
  // The rows' ids are the count of T5: they only grow. They belong to this file, so its name is their boot.
  db.exec("create table if not exists name (boot text not null) strict");
  db.prepare("insert into name (boot) select ? where not exists (select 1 from name)").run(`queue-${randomUUID()}`);
  // The table is strict, and has one row from here on.
  const { boot } = db.prepare("select boot from name").get() as { boot: string };
  const insert = db.prepare("insert into outgoing (at, topic, payload) values (?, ?, ?)");
  const trim = db.prepare("delete from outgoing where id <= (select max(id) from outgoing) - ?");
  const oldest = db.prepare("select id, topic, payload from outgoing order by id limit ?");
  const remove = db.prepare("delete from outgoing where id = ?");
  const count = db.prepare("select count(*) as depth, min(at) as oldest from outgoing");
  let [dropped, refused] = [0, 0];
  let draining: Promise<void> | undefined;
  let open = true;

  const sendOne = async (link: Link, { id, topic, payload }: { id: number; topic: string; payload: string }) => {
    try {
      await link.publish(topic, payload, { seq: id, boot });
    } catch (error) {
      // What the platform will never take must not block what it would.
      if (!(error instanceof Problem && error.code === "publish_refused")) throw error;
      refused += 1;
    }
    if (open) remove.run(id);
  };
  const drainAll = async (link: Link) => {
    while (open) {
      // The columns are those of the statement above, and the table is strict.
      const rows = oldest.all(window) as { id: number; topic: string; payload: string }[];
      if (rows.length === 0) return;
      const sent = await Promise.allSettled(rows.map((row) => sendOne(link, row)));
      if (sent.some(({ status }) => status === "rejected")) return;
    }
  };
  return {
    push({ topic, payload }, now) {
      insert.run(now, topic, payload);
      dropped += Number(trim.run(maxRows).changes);
    },
    drain(link) {
      draining ??= drainAll(link).finally(() => {
        draining = undefined;
      });
      return draining;
    },
    figures(now) {
      const { depth, oldest: since } = count.get() as { depth: number; oldest: number | null };
      return { depth, oldestAgeS: since === null ? 0 : Math.max(0, (now - since) / 1_000), dropped, refused };
    },
    close() {
      open = false;
      db.close();
    },
  };
}
