import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * When the process began, in a spelling that only equals itself; undefined when no such process lives. Tells a process from a later one
 * that was given the same number.
 */
export async function bornAt(pid: number): Promise<string | undefined> {
  if (process.platform !== "linux") {
    const { stdout } = await run("ps", ["-o", "lstart=", "-p", String(pid)], { timeout: 5_000 }).catch(() => ({ stdout: "" }));
    return stdout.trim() || undefined;
  }
  const line = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The name in the second field may hold spaces and parentheses, so count from its end: the state is field 3, the start field 22.
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "" || fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

export const isAlive = async (pid: number): Promise<boolean> => (await bornAt(pid)) !== undefined;

/** Sends a signal; nothing happens when the process has just ended. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // process.kill throws nothing else
  }
}

/** Asks until the answer is true or the deadline has passed; resolves to the last answer. */
export async function until(
  ask: () => Promise<boolean>,
  { withinMs, everyMs = 25 }: { withinMs: number; everyMs?: number },
): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  while (!(await ask())) {
    if (performance.now() > deadline) return false;
    await sleep(everyMs);
  }
  return true;
}
