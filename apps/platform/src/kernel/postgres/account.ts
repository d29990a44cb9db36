import { chown, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** The operating system's user that PostgreSQL runs as. */
export type Account = { name: string; uid: number; gid: number };

/**
 * PostgreSQL refuses to run as root. So root (containers, CI) runs it as `postgres` where that user exists, else as `nobody`; anybody
 * else runs it as themselves, which is `undefined` here.
 */
export async function postgresAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const users = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  const user = users.find(([name]) => name === "postgres") ?? users.find(([name]) => name === "nobody");
  return user === undefined
    ? { name: "nobody", uid: 65_534, gid: 65_534 }
    : { name: user[0] ?? "", uid: Number(user[2]), gid: Number(user[3]) };
}

/** True when the account may walk to this folder: every folder on the way lets it pass. */
export async function canReach(folder: string, account: Account | undefined): Promise<boolean> {
  if (account === undefined) return true;
  for (let at = folder; ; at = dirname(at)) {
    const { mode, uid, gid } = await stat(at);
    const mayPass = uid === account.uid ? mode & 0o100 : gid === account.gid ? mode & 0o010 : mode & 0o001;
    if (!mayPass) return false;
    if (at === dirname(at)) return true;
  }
}

/** Gives a file or folder to the account; nothing to do when PostgreSQL runs as ourselves. */
export async function giveTo(path: string, account: Account | undefined): Promise<void> {
  if (account !== undefined) await chown(path, account.uid, account.gid);
}
