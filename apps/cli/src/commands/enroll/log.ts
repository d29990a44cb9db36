import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { api } from "@tenfold/contracts";
import { type LogVerdict, readLogLine, walkLog } from "@tenfold/pki";
import type { Command } from "commander";
import type { Session } from "../../context.ts";
import { cliProblems } from "../../exit.ts";
import { addVerb, word } from "../../verb.ts";

const atOnce = 5_000;

/** Writes the sealed attempt log to stdout, oldest first, one JSON object a line. */
export async function exportLog(session: Session): Promise<void> {
  const client = await session.client();
  for (let after = 0; ; ) {
    const { items } = await client.call(api.exportEnrollmentLog, { query: { after, limit: atOnce } });
    for (const item of items) process.stdout.write(`${JSON.stringify(item)}\n`);
    const last = items.at(-1);
    if (last === undefined || items.length < atOnce) return;
    after = last.seq;
  }
}

/** `enroll verify`: needs no server. */
export function enrollLog(enroll: Command): void {
  addVerb(enroll, {
    usage: "verify <file>",
    summary: "Recomputes the hash chain of an exported attempt log; fails when an entry was changed or removed",
    example: "enroll verify log.jsonl",
    async run(session, given) {
      const path = word(given, 0);
      const verdict = await verifyFile(path);
      if (verdict.is === "broken")
        throw cliProblems.not_verified(`${path} is broken at entry ${verdict.at}: ${meanings[verdict.because]}.`);
      const { entries, forgotten, head } = verdict;
      session.out.one({ entries, forgotten, head: head.hash }, () => [
        `${entries} entries, whole, head ${head.hash}.`,
        ...(forgotten > 0 ? [`${forgotten} of them were forgotten after their time; their hashes are in the chain.`] : []),
      ]);
    },
  });
}

const meanings = {
  missing: "an entry is missing or stands in the wrong place",
  changed: "the entry is not what was sealed",
  chain: "its hash does not follow from the one before",
} as const;

/** A line at a time: a log of a million entries is larger than a text may be. */
async function verifyFile(path: string): Promise<LogVerdict> {
  const walk = walkLog();
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (line.trim() === "") continue;
    const entry = readLogLine(line);
    if (entry === undefined)
      throw cliProblems.usage(`${path}:${number} is no line of an exported attempt log.`, {
        fix: "Make it with `tenfold enroll log --export`.",
      });
    const broken = walk.take(entry);
    if (broken !== undefined) return broken;
  }
  return walk.end();
}
