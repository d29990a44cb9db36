import { appendFileSync, mkdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";

/** Half of what is kept at most; the older half gives way whole. */
const mostBytes = 32 * 1_024;

/** The agent's last log lines on disk, so that they outlive the agent. Not flushed: after a power cut the very last may be missing. */
export type LastLines = {
  add(line: string): void;
  /** Oldest first. */
  read(): string;
};

export function openLastLines(folder: string): LastLines {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const [newer, older] = [join(folder, "lines.txt"), join(folder, "lines.1.txt")];
  let bytes = sizeOf(newer);
  return {
    add(line) {
      try {
        if (bytes > mostBytes) {
          renameSync(newer, older);
          bytes = 0;
        }
        appendFileSync(newer, `${line}\n`, { mode: 0o600 });
        bytes += line.length + 1;
      } catch {
        // A full disk must not stop the agent from working, only from remembering.
      }
    },
    read: () => textOf(older) + textOf(newer),
  };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
