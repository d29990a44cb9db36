import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { journalProblems } from "./problems.ts";

/** Keeps a second process from the folder. A lock left by a process that is gone, or by another one with its old number, is taken over. */
export async function lockFolder(dir: string): Promise<() => Promise<void>> {
  const path = join(dir, "lock");
  const holder = await readFile(path, "utf8").catch(() => "");
  const [pid, born] = holder.split(" ");
  if (pid !== undefined && born !== undefined && born !== "" && (await birthOf(pid)) === born) {
    throw journalProblems.journal_locked(`The journal in ${dir} is in use by process ${pid}.`, {
      fix: "Stop that server, or choose another data folder.",
    });
  }
  await writeFile(path, `${process.pid} ${await birthOf(String(process.pid))}`);
  return () => rm(path, { force: true });
}

/** When a process was born, in clock ticks since boot (proc(5), field 22 of stat): with its number, a name that is never used twice. */
async function birthOf(pid: string): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}
