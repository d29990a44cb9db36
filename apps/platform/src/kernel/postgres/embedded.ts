import { execFile } from "node:child_process";
import { existsSync, renameSync, statSync } from "node:fs";
import { open, readFile, readlink, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describeError, seconds } from "@tenfold/base";
import pg from "pg";
import type { Log } from "../log.ts";
import { type Account, giveTo, postgresAccount } from "./account.ts";
import { type Binaries, readyBinaries } from "./binaries.ts";
import { claim, type Home, settle } from "./home.ts";
import { postgresProblems } from "./problems.ts";
import { isAlive, signal, until } from "./processes.ts";
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

const user = "tenfold";

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
    await giveBack();
    throw error;
  }
}

type Server = { home: Home; account: Account | undefined; binaries: Binaries; log: Log; keeps: "everything" | "scratch" };

function urlFor({ socket, password }: Home, database: string): string {
  return `postgresql://${user}:${encodeURIComponent(password)}@localhost/${database}?host=${encodeURIComponent(socket)}`;
}

/** Makes the cluster on the first start: beside its place, then moved there, so that a half-made one is never used. */
async function initialise({ home, account, binaries, log, keeps }: Server): Promise<void> {
  if (existsSync(join(home.cluster, "PG_VERSION"))) return assertVersion(home, binaries);
  const fresh = `${home.cluster}.new`;
  await rm(fresh, { recursive: true, force: true });
  const passwordFile = join(home.socket, "first-password");
  await writeFile(passwordFile, home.password, { mode: 0o600 });
  await giveTo(passwordFile, account);
  log.info("postgres.creating", { folder: home.cluster });
  const args = [
    "-D",
    fresh,
    "-U",
    user,
    "-A",
    "scram-sha-256",
    `--pwfile=${passwordFile}`,
    "-E",
    "UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
  ];
  try {
    await run(binaries.initdb, keeps === "scratch" ? [...args, "--no-sync"] : args, {
      cwd: "/",
      env: { PATH: "/usr/bin:/bin", ...binaries.env },
      timeout: seconds(120),
      ...(account ? { uid: account.uid, gid: account.gid } : {}),
    });
  } catch (cause) {
    throw postgresProblems.embedded_postgres_failed(`PostgreSQL could not make its data folder ${home.cluster}.`, {
      cause,
      fix: "Look at the cause; a full disk and a folder that forbids writing are the usual ones.",
    });
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(fresh, home.cluster);
}

async function assertVersion(home: Home, { major }: Binaries): Promise<void> {
  const found = Number((await readFile(join(home.cluster, "PG_VERSION"), "utf8")).trim());
  if (found === major) return;
  throw postgresProblems.embedded_postgres_version(
    `The data in ${home.cluster} was written by PostgreSQL ${found}; this Tenfold brings ${major}.`,
    { fix: "See docs/operate/postgresql.md, “A new major version”." },
  );
}

function settings({ home, keeps }: Server): string[] {
  const durable =
    keeps === "everything"
      ? { fsync: "on", synchronous_commit: "on" }
      : {
          fsync: "off",
          full_page_writes: "off",
          synchronous_commit: "on",
          autovacuum: "off",
          wal_level: "minimal",
          max_wal_senders: "0",
          max_wal_size: "64MB",
        };
  const all = {
    listen_addresses: "",
    unix_socket_directories: home.socket,
    unix_socket_permissions: "0700",
    ssl: "off",
    max_connections: "60",
    shared_buffers: "64MB",
    max_wal_size: "512MB",
    // One process less per worker; at this size reads come from memory.
    io_method: "sync",
    huge_pages: "off",
    jit: "off",
    timezone: "UTC",
    log_timezone: "UTC",
    log_min_messages: "warning",
    ...durable,
  };
  return Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
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

async function openLogFile(file: string) {
  if (existsSync(file) && statSync(file).size > largestLog) renameSync(file, `${file}.1`);
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
  if (pid === undefined) return undefined;
  if (!(await isServerOf(pid, home))) {
    // The number is another program's by now. PostgreSQL would take it for a rival and refuse to start.
    await rm(join(home.cluster, "postmaster.pid"), { force: true });
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

async function answers({ home }: Server): Promise<boolean> {
  return ask(home, async () => true).catch((error: unknown) => {
    // Every other answer (a wrong password, say) would stay the same, however long one waited.
    if (isNotReady(error)) return false;
    throw postgresProblems.embedded_postgres_failed("The embedded PostgreSQL refuses our connection.", { cause: error });
  });
}

const notReady = new Set(["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE", "57P03", "57P01"]);
const isNotReady = (error: unknown) =>
  error instanceof Error && (("code" in error && notReady.has(String(error.code))) || /timeout|terminated/i.test(error.message));

async function ask<Answer>(home: Home, question: (client: pg.Client) => Promise<Answer>): Promise<Answer> {
  const client = new pg.Client({
    connectionString: urlFor(home, "postgres"),
    connectionTimeoutMillis: 2_000,
    query_timeout: seconds(30),
  });
  client.on("error", () => {});
  try {
    await client.connect();
    return await question(client);
  } finally {
    await client.end();
  }
}

async function createDatabase({ home }: Server): Promise<void> {
  await ask(home, async (client) => {
    const { rowCount } = await client.query("select 1 from pg_database where datname = $1", [user]);
    if (rowCount === 0) await client.query(`create database ${user}`);
  });
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
