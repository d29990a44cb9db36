import { open } from "node:fs/promises";
import { compare, type Position } from "./record.ts";
import { damaged, segmentHeaderBytes, segmentPath, visitRecords } from "./segments.ts";

export type ReadLimits = { frames: number; bytes: number };
export type Stretch = { frames: Buffer[]; kept?: (object | undefined)[]; to: Position };

/**
 * Reads frames from `from` on, at least one where there is one, at most up to `until`, `limits.frames` and (but for the first) about
 * `limits.bytes`, from the files: however long something waits for a slow store, it costs no memory.
 */
export async function readFrames(
  dir: string,
  { from, until, limits, sizes }: { from: Position; until: Position; limits: ReadLimits; sizes: ReadonlyMap<number, number> },
): Promise<Stretch> {
  const frames: Buffer[] = [];
  let bytes = 0;
  let at = from;
  while (compare(at, until) < 0 && frames.length < limits.frames && bytes < limits.bytes) {
    const { segment } = at;
    const to = segment === until.segment ? until.offset : (sizes.get(segment) ?? at.offset);
    const file = await open(segmentPath(dir, segment), "r");
    try {
      const { end, is } = await visitRecords(file, { from: at.offset, to }, ({ kind, payload }) => {
        if (kind !== "frame") return "on";
        frames.push(Buffer.from(payload)); // A copy: the chunk it was read into is much larger.
        bytes += payload.length;
        return frames.length < limits.frames && bytes < limits.bytes ? "on" : "stop";
      });
      if (is === "torn") throw damaged(dir, segment, end);
      at = end === to && segment < until.segment ? { segment: segment + 1, offset: segmentHeaderBytes } : { segment, offset: end };
    } finally {
      await file.close();
    }
  }
  return { frames, to: at };
}
