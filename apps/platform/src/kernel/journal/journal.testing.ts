/** What tests of the journal share: a folder of their own, opened in one line. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../log.ts";
import { openJournal } from "./journal.ts";
import type { Journal } from "./port.ts";
import { type Disk, type JournalLimits, realDisk } from "./writer.ts";

export type Scratch = AsyncDisposable & { dir: string; root: string };

export async function scratch(): Promise<Scratch> {
  const root = await mkdtemp(join(tmpdir(), "tenfold-test-journal-"));
  return { root, dir: join(root, "journal"), [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}

export const opened = (dir: string, limits: Partial<JournalLimits> = {}, disk: Disk = realDisk): Promise<Journal> =>
  openJournal({ dir, log: silentLog, limits, disk });

/** Names of the segments' files, oldest first. */
export const segmentsIn = async (dir: string): Promise<string[]> =>
  (await readdir(dir)).filter((name) => name.endsWith(".segment")).sort();
