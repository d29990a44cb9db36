import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { familyOf } from "../../bench/processes.ts";

export type Search = { withinMs: number /** A process that is known to be dead or about to be. */; otherThan?: number };

/** The process below `pid` whose command line has this word; undefined when there is none in time. */
export async function processOf(pid: number, word: string, { withinMs, otherThan }: Search): Promise<number | undefined> {
  for (const deadline = Date.now() + withinMs; ; await wait(50)) {
    for (const member of await familyOf(pid)) {
      if (member === otherThan || member === pid) continue;
      const command = await readFile(`/proc/${member}/cmdline`, "utf8").catch(() => "");
      if (command.includes(word)) return member;
    }
    if (Date.now() > deadline) return undefined;
  }
}

/** The embedded PostgreSQL's first process, as its own pid file names it. */
export async function postmasterOf(dataDir: string): Promise<number> {
  const text = await readFile(`${dataDir}/postgres/cluster/postmaster.pid`, "utf8");
  return Number.parseInt(text, 10);
}
