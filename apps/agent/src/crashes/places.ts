import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { CrashKind } from "@tenfold/contracts";

/** A folder in which others leave what a crash left behind. */
export type Place = { readonly kind: CrashKind; readonly folder: string };
export type Found = { readonly kind: CrashKind; readonly path: string; readonly key: string; readonly mtimeMs: number };

/** Something that was written to this short a time ago may not be whole. */
const settleMs = 2_000;

/** The files in the places that are newer than `since` and whole, oldest first. A place that is not there has none. */
export async function findIn(
  places: readonly Place[],
  { since, now, settledMs = settleMs }: { since: number; now: number; settledMs?: number },
): Promise<Found[]> {
  const found = await Promise.all(places.map((place) => filesIn(place)));
  return found
    .flat()
    .filter(({ mtimeMs }) => mtimeMs >= since && now - mtimeMs >= settledMs)
    .toSorted((a, b) => a.mtimeMs - b.mtimeMs);
}

async function filesIn({ kind, folder }: Place): Promise<Found[]> {
  const names = await readdir(folder).catch(() => []);
  const found = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      const file = await stat(path).catch(() => undefined);
      if (!file?.isFile()) return [];
      const { size, mtimeMs } = file;
      // A name is used again: pstore numbers its records from 0 after each clearing.
      return [{ kind, path, mtimeMs, key: `${path}:${size}:${Math.trunc(mtimeMs)}` }];
    }),
  );
  return found.flat();
}
