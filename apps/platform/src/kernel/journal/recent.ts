import type { ReadLimits, Stretch } from "./reader.ts";
import { compare, type Position } from "./record.ts";

/** What one write put on the disk: the frames among its records, and where in the segment each of them ends. */
export type WrittenGroup = {
  from: Position;
  frames: readonly Buffer[];
  kept: readonly (object | undefined)[];
  ends: readonly number[];
};

/**
 * The newest frames, still in memory: without a gap from some place on up to the journal's end. They save reading the files again what was
 * written a moment ago, and what is kept beside them saves understanding it again. Bounded: when a slow store leaves too much here, all is
 * let go of, and the files are read.
 */
export class Recent {
  readonly #mostBytes: number;
  #groups: WrittenGroup[] = [];
  /** How many frames of the first group are gone already. */
  #taken = 0;
  #bytes = 0;
  #from: Position | undefined;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** From here on every frame is in memory; undefined when none is. */
  get from(): Position | undefined {
    return this.#from;
  }

  /** Takes in what was just written behind all that is here. */
  add(group: WrittenGroup): void {
    if (group.frames.length === 0) return;
    const bytes = group.frames.reduce((sum, frame) => sum + frame.length, 0);
    if (this.#bytes + bytes > this.#mostBytes) this.#clear();
    if (bytes > this.#mostBytes) return;
    this.#from ??= group.from;
    this.#groups.push(group);
    this.#bytes += bytes;
  }

  #clear(): void {
    this.#groups = [];
    [this.#taken, this.#bytes, this.#from] = [0, 0, undefined];
  }

  /** The frames from `at` on, at most so many; undefined when some of them are not here. Whatever lies before `at` is let go of. */
  take(at: Position, limits: ReadLimits): Stretch | undefined {
    this.#skipTo(at);
    if (this.#from === undefined || compare(at, this.#from) < 0) return undefined;
    const [frames, kept]: [Buffer[], (object | undefined)[]] = [[], []];
    let [to, bytes] = [at, 0];
    for (
      let [group] = this.#groups;
      group !== undefined && frames.length < limits.frames && bytes < limits.bytes;
      [group] = this.#groups
    ) {
      const before = bytes;
      for (; this.#taken < group.frames.length && frames.length < limits.frames && bytes < limits.bytes; this.#taken++) {
        const frame = group.frames[this.#taken] ?? nothing;
        frames.push(frame);
        kept.push(group.kept[this.#taken]);
        bytes += frame.length;
      }
      to = { segment: group.from.segment, offset: group.ends[this.#taken - 1] ?? group.from.offset };
      this.#passed(bytes - before);
    }
    this.#from = this.#groups.length === 0 ? undefined : to;
    return frames.length === 0 ? undefined : { frames, kept, to };
  }

  #skipTo(at: Position): void {
    for (let [group] = this.#groups; group !== undefined; [group] = this.#groups) {
      if (compare({ segment: group.from.segment, offset: group.ends[this.#taken] ?? 0 }, at) > 0) break;
      this.#taken += 1;
      this.#passed(group.frames[this.#taken - 1]?.length ?? 0);
    }
    if (this.#from !== undefined && compare(this.#from, at) < 0) this.#from = this.#groups.length === 0 ? undefined : at;
  }

  /** Counts bytes of the first group as gone, and the group itself when it is used up. */
  #passed(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#taken < (this.#groups[0]?.frames.length ?? 0)) return;
    this.#groups.shift();
    this.#taken = 0;
  }
}

const nothing = Buffer.alloc(0);
