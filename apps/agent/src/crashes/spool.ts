import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { type CrashKind, crashKind } from "@tenfold/contracts";
import type { CrashArtifact } from "@tenfold/device";
import { readOptionalFile, writeFileAtomically } from "@tenfold/pki";
import { z } from "zod";

const about = { bootId: z.string().optional(), version: z.string().optional(), build: z.string().optional() };
const entry = z.strictObject({
  kind: crashKind,
  sha256: z.string(),
  size: z.int(),
  path: z.string(),
  /** Written here, and removed once it is sent; other programs' files are left alone. */
  own: z.boolean(),
  ...about,
});
type Entry = z.infer<typeof entry>;
const index = z.strictObject({
  /** When this folder was begun (ms): files from before are nobody's business here. */
  since: z.number(),
  waiting: z.array(entry),
  /** What was taken in already, by the name that its finder gave it; the newest last. */
  known: z.array(z.string()),
});

/** Which boot of which firmware left it. */
export type About = {
  readonly bootId?: string | undefined;
  readonly version?: string | undefined;
  readonly build?: string | undefined;
};

/** Crash artifacts that wait to be sent. What is taken in survives a power cut, and is sent once. */
export type Spool = {
  readonly since: number;
  /** False where it is known already (by `key`, else by its bytes), or too many wait: in a boot loop the first ones say it all. */
  add(said: { kind: CrashKind; text: string; key?: string }, of: About): Promise<boolean>;
  /** A file of another program, where it lies: its first `maxBytes`. `key` names it for good. */
  addFile(found: { kind: CrashKind; path: string; key: string }, of: About): Promise<boolean>;
  /** Oldest first; ends at the first that is not taken now, by throwing what `send` threw. */
  drain(send: (artifact: CrashArtifact) => Promise<"stored" | "refused">): Promise<void>;
  waiting(): number;
};

const mostWaiting = 20;
const mostKnown = 500;

export async function openSpool(folder: string, { maxBytes, now }: { maxBytes: number; now: number }): Promise<Spool> {
  const path = join(folder, "waiting.json");
  const text = await readOptionalFile(path);
  // An unreadable list is begun anew: a witness that stops the agent would be worse than one that forgets.
  const kept = (text === undefined ? undefined : index.safeParse(parseJson(text)).data) ?? { since: now, waiting: [], known: [] };
  const save = () => writeFileAtomically(path, `${JSON.stringify(kept)}\n`, 0o600);
  if (text === undefined) await save();

  const take = async (key: string, make: () => Promise<Entry>): Promise<boolean> => {
    if (kept.known.includes(key) || kept.waiting.length >= mostWaiting) return false;
    const one = await make();
    kept.known = [...kept.known, key].slice(-mostKnown);
    if (one.size > 0) kept.waiting.push(one);
    await save();
    return one.size > 0;
  };
  return {
    since: kept.since,
    waiting: () => kept.waiting.length,
    add({ kind, text: content, key }, of) {
      const bytes = Buffer.from(content).subarray(-maxBytes);
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      return take(key ?? `${kind}:${sha256}`, async () => {
        const own = join(folder, `${sha256}.bin`);
        await writeFileAtomically(own, bytes, 0o600);
        return { kind, sha256, size: bytes.length, path: own, own: true, ...of };
      });
    },
    addFile: ({ kind, path: file, key }, of) =>
      take(key, async () => ({ kind, ...(await measured(file, maxBytes)), path: file, own: false, ...of })),
    async drain(send) {
      for (let first = kept.waiting[0]; first !== undefined; first = kept.waiting[0]) {
        const { path: file, own, ...said } = first;
        // A file that was tidied away meanwhile cannot be sent any more.
        const there = (await measured(file, said.size).catch(() => undefined))?.sha256 === said.sha256;
        if (there) await send({ ...said, open: () => head(file, said.size) } as CrashArtifact);
        kept.waiting.shift();
        await save();
        if (own) await rm(file, { force: true });
      }
    },
  };
}

const head = (path: string, size: number): Readable => createReadStream(path, { start: 0, end: size - 1 });

async function measured(path: string, maxBytes: number): Promise<{ sha256: string; size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of head(path, maxBytes) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { sha256: hash.digest("hex"), size };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
