import { execFile } from "node:child_process";
import { type FileHandle, open, readFile, readlink, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describeError, seconds } from "@tenfold/base";
import type { Log } from "../log.ts";
import { postgresAccount } from "./account.ts";
import { readyBinaries } from "./binaries.ts";
import { initialise, settings } from "./cluster.ts";
import { claim, type Home, settle } from "./home.ts";
import { postgresProblems } from "./problems.ts";
import { isAlive, signal, until } from "./processes.ts";
import { answers, createDatabase, type Server, urlFor, user } from "./server.ts";
import { startWatchdog } from "./watchdog.ts";

const run = promisify(execFile);

export type EmbeddedOptions = {
  /** A folder of this server's own, made when it is missing. */
  folder: string;
  log: Log;
  /** `scratch` forgets everything on a power cut and is for tests alone. */
  keeps?: "everything" | "scratch";
};

export type EmbeddedPostgres = {
  /** The database `tenfold`. */
  url: string;
  urlOf(database: string): string;
  /** True when a server that an earlier process had left behind was taken over. */
  adopted: boolean;
  /** The postmaster's process id now. */
  pid(): number;
  /** Shuts down in order, then by force; resolves when the server is gone. Safe to call twice. */
  stop(): Promise<void>;
};

/**
 * Runs PostgreSQL for this process alone, behind a private Unix socket: no port, no TLS. It is never orphaned: a watchdog stops it when
 * this process ends in whatever way, a server that was left behind nevertheless is taken over (or stopped, when it does not answer),
 * and one that dies is started again. A second process on the same folder is refused.
 */
export async function startEmbedded({ folder, log, keeps = "everything" }: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const account = await postgresAccount();
  const binaries = await readyBinaries(account);
  const home = await settle(folder, account);
  const giveBack = await claim(folder);
  const server: Server = { home, account, binaries, log, keeps };
  try {
    await initialise(server);
    const adopted = await adopt(server);
    let pid = adopted ?? (await launch(server));
    await createDatabase(server);
    log.info("postgres.started", { pid, adopted: adopted !== undefined, folder: home.cluster });
    const supervision = supervise(server, {
      pid: () => pid,
      replaced: (next) => {
        pid = next;
      },
    });
    let stopped: Promise<void> | undefined;
    const stop = async () => {
      await supervision.end();
      await shutDown(pid);
      await giveBack();
      log.info("postgres.stopped", { pid });
    };
    const urlOf = (database: string) => urlFor(home, database);
    return { url: urlOf(user), urlOf, adopted: adopted !== undefined, pid: () => pid, stop: () => (stopped ??= stop()) };
  } catch (error) {
    const pid = await namedPid(home);
    if (pid !== undefined && (await isServerOf(pid, home))) await shutDown(pid);
    await giveBack();
    throw error;
  }
}

const patience = { start: seconds(60), answer: seconds(5), fast: seconds(10), quit: seconds(5), kill: seconds(5) };

async function launch(server: Server): Promise<number> {
  const { home, account, binaries, keeps } = server;
  const log = await openLogFile(home.logFile);
  const child = startWatchdog({
    cluster: home.cluster,
    first: keeps === "everything" ? "INT" : "QUIT",
    account,
    env: binaries.env,
    logFd: log.fd,
    command: [binaries.postgres, "-D", home.cluster, ...settings(server)],
  });
  let ended = false;
  child.once("exit", () => {
    ended = true;
  });
  child.once("error", () => {
    ended = true;
  });
  await log.close();
  const ready = async () => ended || (await answers(server));
  if ((await until(ready, { withinMs: patience.start })) && !ended) return (await namedPid(home)) ?? 0;
  throw postgresProblems.embedded_postgres_failed(`PostgreSQL did not start: ${await lastWords(home.logFile)}`, {
    fix: `Its log is ${home.logFile}.`,
  });
}

const largestLog = 8 * 1024 * 1024;

async function openLogFile(file: string): Promise<FileHandle> {
  const isFull = await stat(file).then(
    ({ size }) => size > largestLog,
    () => false,
  );
  if (isFull) await rename(file, `${file}.1`);
  return open(file, "a", 0o600);
}

async function lastWords(logFile: string): Promise<string> {
  const text = await readFile(logFile, "utf8").catch(() => "");
  return text.trim().split("\n").slice(-3).join(" | ") || "it said nothing";
}

/** Takes over a server that an earlier process left behind, or clears it away; undefined when there is none to use. */
async function adopt(server: Server): Promise<number | undefined> {
  const { home, account, binaries, keeps } = server;
  const pid = await namedPid(home);
  if (pid === undefined || !(await isServerOf(pid, home))) {
    // After a power cut the numbers in these files are other programs' by now. PostgreSQL would take one for a rival and refuse to start.
    for (const left of [join(home.cluster, "postmaster.pid"), join(home.socket, ".s.PGSQL.5432.lock")])
      await rm(left, { force: true });
    return undefined;
  }
  const settled = async () => !(await isAlive(pid)) || (await answers(server));
  await until(settled, { withinMs: patience.answer });
  if (await answers(server)) {
    const log = await openLogFile(home.logFile);
    startWatchdog({
      cluster: home.cluster,
      first: keeps === "everything" ? "INT" : "QUIT",
      account,
      env: binaries.env,
      logFd: log.fd,
      pid,
    });
    await log.close();
    return pid;
  }
  await shutDown(pid);
  return undefined;
}

async function namedPid({ cluster }: Home): Promise<number | undefined> {
  const text = await readFile(join(cluster, "postmaster.pid"), "utf8").catch(() => "");
  const pid = Number.parseInt(text, 10);
  return pid > 0 ? pid : undefined;
}

async function isServerOf(pid: number, { cluster }: Home): Promise<boolean> {
  if (!(await isAlive(pid))) return false;
  if (process.platform !== "linux")
    return (await run("ps", ["-o", "command=", "-p", String(pid)], { timeout: 5_000 })).stdout.includes(cluster);
  // A postmaster stands in its data folder.
  return (await readlink(`/proc/${pid}/cwd`).catch(() => "")) === cluster;
}

type Held = { pid(): number; replaced(pid: number): void };

/** Looks every second whether the server lives and starts it again when it does not. */
function supervise(server: Server, held: Held): { end(): Promise<void> } {
  let ended = false;
  let looking: Promise<void> = Promise.resolve();
  const look = async () => {
    if (await isAlive(held.pid())) return;
    server.log.error("postgres.died", { pid: held.pid() });
    held.replaced(await launch(server));
    server.log.info("postgres.restarted", { pid: held.pid() });
  };
  const lookAgain = () => {
    timer = setTimeout(() => {
      looking = look()
        .catch((error: unknown) => server.log.error("postgres.restart_failed", { because: describeError(error) }))
        .then(() => {
          if (!ended) lookAgain();
        });
    }, 1_000).unref();
  };
  let timer: NodeJS.Timeout;
  lookAgain();
  return {
    async end() {
      ended = true;
      clearTimeout(timer);
      await looking;
    },
  };
}

async function shutDown(pid: number): Promise<void> {
  const gone = async () => !(await isAlive(pid));
  for (const [name, withinMs] of [
    ["SIGINT", patience.fast],
    ["SIGQUIT", patience.quit],
    ["SIGKILL", patience.kill],
  ] as const) {
    if (await gone()) return;
    signal(pid, name);
    if (await until(gone, { withinMs })) return;
  }
}
