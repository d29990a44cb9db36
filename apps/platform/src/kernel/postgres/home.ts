import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { lstat, mkdir, open, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Account, canReach, giveTo } from "./account.ts";
import { postgresProblems } from "./problems.ts";
import { bornAt } from "./processes.ts";

/** The folders and files of one embedded server. */
export type Home = {
  /** PostgreSQL's own data folder. */
  cluster: string;
  /** Where its Unix socket is: a private folder, and the only door. */
  socket: string;
  logFile: string;
  password: string;
};

/**
 * Makes the folders ready. Everything lives in `folder`, unless PostgreSQL runs as another user who cannot walk there (root with a
 * folder below /root): then the cluster lives in a folder below /var/lib, and the file `folder/location` says where. Whoever deletes
 * `folder` starts anew, because a new place has a new name.
 */
export async function settle(folder: string, account: Account | undefined): Promise<Home> {
  await mkdir(folder, { recursive: true });
  const given = await realpath(folder);
  const place = await choosePlace(given, account);
  const socket = await socketFolder(place, account);
  return {
    cluster: join(place, "cluster"),
    socket,
    logFile: join(given, "postgres.log"),
    password: await ownPassword(join(given, "password")),
  };
}

async function choosePlace(given: string, account: Account | undefined): Promise<string> {
  const marker = join(given, "location");
  if (existsSync(marker)) return (await readFile(marker, "utf8")).trim();
  if (await canReach(given, account)) {
    await giveTo(given, account);
    return given;
  }
  const place = `/var/lib/tenfold-postgres-${randomBytes(6).toString("hex")}`;
  await mkdir(place, { mode: 0o700 });
  await giveTo(place, account);
  await writeDurably(marker, `${place}\n`);
  return place;
}

// sockaddr_un holds 107 characters on Linux and 103 on macOS; the socket's own name takes 15 of them.
const longestSocketFolder = 85;

async function socketFolder(place: string, account: Account | undefined): Promise<string> {
  const near = join(place, "socket");
  const folder = near.length <= longestSocketFolder ? near : await shortFolder(join(place, "socket-location"), account);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await giveTo(folder, account);
  return folder;
}

/** A folder with a short path: the one that was noted last time while it is still ours alone, else a new one. */
async function shortFolder(marker: string, account: Account | undefined): Promise<string> {
  const noted = (await readFile(marker, "utf8").catch(() => "")).trim();
  if (noted !== "" && (await isPrivate(noted, account))) return noted;
  const base = tmpdir().length < 40 ? tmpdir() : "/tmp";
  const folder = join(base, `tenfold-socket-${randomBytes(12).toString("hex")}`);
  await mkdir(folder, { mode: 0o700 });
  await writeDurably(marker, `${folder}\n`);
  return folder;
}

/** In a folder that all may write, somebody else may have made what has our name. */
async function isPrivate(folder: string, account: Account | undefined): Promise<boolean> {
  const found = await lstat(folder).catch(() => undefined);
  return found?.isDirectory() === true && found.uid === (account?.uid ?? process.getuid?.()) && (found.mode & 0o077) === 0;
}

/** The password of the embedded server, made once; only we may read it. */
async function ownPassword(file: string): Promise<string> {
  if (!existsSync(file)) await writeDurably(file, `${randomBytes(24).toString("base64url")}\n`);
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (cause) {
    throw postgresProblems.embedded_postgres_failed(`The database's password in ${file} cannot be read.`, {
      cause,
      fix: "Run Tenfold as the user who made this data folder (root, perhaps), or use another folder (--data).",
    });
  }
}

/** A reader sees the whole text or no file, after a power cut too. Mode 0600. */
async function writeDurably(file: string, text: string): Promise<void> {
  const fresh = `${file}.${process.pid}.new`;
  const handle = await open(fresh, "w", 0o600);
  await handle.writeFile(text);
  await handle.datasync();
  await handle.close();
  await rename(fresh, file);
}

/** Takes the folder for this process. Resolves to the function that gives it back; refused while another process that has it lives. */
export async function claim(folder: string): Promise<() => Promise<void>> {
  const file = join(folder, "supervisor");
  const mine = `${process.pid} ${await bornAt(process.pid)}\n`;
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      await writeFile(file, mine, { flag: "wx", mode: 0o600 });
      return () => rm(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error; // node:fs throws nothing else
    }
    const [pid = "", ...born] = (await readFile(file, "utf8").catch(() => "")).trim().split(" ");
    if (pid !== "" && (await bornAt(Number(pid))) === born.join(" ")) {
      throw postgresProblems.embedded_postgres_in_use(`The database in ${folder} is used by the process ${pid}.`, {
        fix: `Stop that process (kill ${pid}), or use another data folder (--data).`,
      });
    }
    // Its process is gone: what it left is nobody's.
    await rm(file, { force: true });
  }
  throw postgresProblems.embedded_postgres_in_use(`Several processes want the database in ${folder} at once.`, {
    fix: "Start only one of them.",
  });
}
