import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { deviceProblems, type Slot } from "@tenfold/device";

export type Swupdate = {
  /** SWUpdate with the settings of this board, without an image: `swupdate -f /etc/swupdate.cfg -H board:1.0`. */
  readonly command: string;
  /** The selection that writes a slot, with `{slot}` for a or b: `stable,{slot}`. */
  readonly select: string;
};

const installMs = 3_600_000;
const errorLine = /\[ERROR\]|ERROR :/;

/**
 * What SWUpdate's sentences mean; it has no codes. One that is not known here is `install_failed`, with the sentence. Seen in 2022.12; an
 * attacker who could choose these sentences already has SWUpdate.
 */
export function refusalOf(errors: readonly string[]): "install_incompatible" | "install_untrusted" | "no_space" | "install_failed" {
  const says = (pattern: RegExp) => errors.some((line) => pattern.test(line));
  if (says(/not compatible with hardware/i)) return "install_incompatible";
  if (says(/no space left|not enough (free )?space/i)) return "no_space";
  if (says(/signature|authentication|HASH mismatch|checksum|Compatible SW not found|corrupted/i)) return "install_untrusted";
  return "install_failed";
}

/** `[ERROR] : SWUPDATE failed [0] ERROR : HASH mismatch : …` without what stands before every one of them. */
export const sentenceOf = (line: string): string => line.replace(/^.*\[\d+\]\s*(?:ERROR\s*:\s*)?/, "").slice(0, 300);

/** Installs an image into a slot. Rejects as `Slots.install`. */
export async function runSwupdate(
  { command, select }: Swupdate,
  { slot, file, onProgress }: { slot: Slot; file: string; onProgress: (share: number) => void },
): Promise<void> {
  const [program = "swupdate", ...args] = command.split(/\s+/);
  const child = spawn(program, [...args, "-e", select.replaceAll("{slot}", slot), "-i", file], {
    stdio: ["ignore", "pipe", "pipe"],
    // It unpacks, and opens its sockets, where nobody else does.
    env: { TMPDIR: dirname(file), PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
  });
  const errors: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => {
      if (errorLine.test(line) && errors.length < 20) errors.push(sentenceOf(line));
    });
  // It says nothing of how far it is.
  const alive = setInterval(() => onProgress(0), 500);
  const late = setTimeout(() => child.kill("SIGKILL"), installMs);
  try {
    const [code] = (await once(child, "close")) as [number | null];
    if (code === 0) return;
  } catch (cause) {
    throw deviceProblems.install_failed(`${program} could not be started.`, { cause });
  } finally {
    clearInterval(alive);
    clearTimeout(late);
  }
  const sentence = `SWUpdate did not install it: ${errors.join("; ") || "it said nothing"}`;
  const because = refusalOf(errors);
  if (because === "no_space") throw Object.assign(new Error(sentence), { code: "ENOSPC" });
  throw deviceProblems[because](sentence);
}
