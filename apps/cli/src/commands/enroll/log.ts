import { readFile } from "node:fs/promises";
import { api, sealedEntry } from "@tenfold/contracts";
import { type SealedEntry, verifyLog } from "@tenfold/pki";
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
      const verdict = verifyLog(readLines(path, await readFile(path, "utf8")));
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

function readLines(path: string, text: string): SealedEntry[] {
  return text.split("\n").flatMap((line, i): SealedEntry[] => {
    if (line.trim() === "") return [];
    const read = sealedEntry.safeParse(parseJson(line));
    if (read.success) return [read.data];
    throw cliProblems.usage(`${path}:${i + 1} is no line of an exported attempt log.`, {
      fix: "Make it with `tenfold enroll log --export`.",
    });
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
