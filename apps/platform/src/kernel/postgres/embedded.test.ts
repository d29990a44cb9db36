import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { seconds } from "@tenfold/base";
import pg from "pg";
import { silentLog } from "../log.ts";
import { startEmbedded } from "./embedded.ts";
import { isAlive, until } from "./processes.ts";

async function scratchFolder() {
  const folder = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "tenfold-embedded-"));
  await chmod(folder, 0o755);
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }) };
}

const start = (folder: string) => startEmbedded({ folder, log: silentLog, keeps: "scratch" });

async function ask<Row extends pg.QueryResultRow>(url: string, question: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query<Row>(question)).rows;
  } finally {
    await client.end();
  }
}

type OtherProcess = AsyncDisposable & { pid: number; adopted: boolean; url: string; kill(): Promise<void> };

/** Another process that runs the database in a folder, until it is killed. */
async function otherProcess(folder: string): Promise<OtherProcess> {
  const script = `
    import { startEmbedded } from ${JSON.stringify(new URL("./embedded.ts", import.meta.url).href)};
    import { silentLog } from ${JSON.stringify(new URL("../log.ts", import.meta.url).href)};
    const server = await startEmbedded({ folder: ${JSON.stringify(folder)}, log: silentLog, keeps: "scratch" });
    process.stdout.write(JSON.stringify({ pid: server.pid(), adopted: server.adopted, url: server.url }) + "\\n");
    setInterval(() => {}, 1_000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "pipe"] });
  const complaint = text(child.stderr);
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (bytes: Buffer) => resolve(bytes.toString()));
    child.once("exit", () => complaint.then((words) => reject(new Error(words))));
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const kill = () => {
    child.kill("SIGKILL");
    return ended;
  };
  return { ...JSON.parse(line), kill, [Symbol.asyncDispose]: kill };
}

/** Kills the watchdog's two shells and nothing else. */
async function killWatchdog(postmaster: number): Promise<void> {
  const shell = await parentOf(postmaster);
  const children = (await readFile(`/proc/${shell}/task/${shell}/children`, "utf8")).trim().split(" ").map(Number);
  for (const pid of [...children.filter((pid) => pid !== postmaster), shell]) process.kill(pid, "SIGKILL");
}

async function parentOf(pid: number): Promise<number> {
  const line = await readFile(`/proc/${pid}/stat`, "utf8");
  return Number(line.slice(line.lastIndexOf(")") + 2).split(" ")[1]);
}

const isGone = (pid: number) => until(async () => !(await isAlive(pid)), { withinMs: seconds(20) });

test("what was written is there after a stop and a start, behind a socket that is ours alone", async () => {
  await using folder = await scratchFolder();
  const first = await start(folder.path);
  await ask(first.url, "create table note (text text); insert into note values ('kept')");
  const [settings] = await ask<{ addresses: string; ssl: string; collation: string }>(
    first.url,
    "select current_setting('listen_addresses') as addresses, current_setting('ssl') as ssl, datlocale as collation from pg_database where datname = 'tenfold'",
  );
  assert.deepEqual(settings, { addresses: "", ssl: "off", collation: "C.UTF-8" });
  assert.equal((await stat(join(folder.path, "socket"))).mode & 0o777, 0o700);
  assert.equal((await stat(join(folder.path, "password"))).mode & 0o777, 0o600);
  await first.stop();
  assert.equal(await isAlive(first.pid()), false);
  // As after a restart of a container, where the numbers of processes begin anew: this pid is another program's now.
  await writeFile(join(folder.path, "cluster", "postmaster.pid"), `${process.pid}\n`);
  await writeFile(join(folder.path, "socket", ".s.PGSQL.5432.lock"), `${process.pid}\n`);
  const second = await start(folder.path);
  assert.deepEqual(await ask(second.url, "select text from note"), [{ text: "kept" }]);
  await second.stop();
});

test("a second process on the same folder is refused while the first lives", async () => {
  await using folder = await scratchFolder();
  const first = await start(folder.path);
  await assert.rejects(start(folder.path), { code: "embedded_postgres_in_use" });
  await assert.rejects(otherProcess(folder.path), /is used by the process/);
  await first.stop();
});

test("a server that dies is started again", async () => {
  await using folder = await scratchFolder();
  const server = await start(folder.path);
  const before = server.pid();
  process.kill(before, "SIGKILL");
  const back = async () =>
    ask(server.url, "select 1").then(
      () => true,
      () => false,
    );
  assert.ok(await until(async () => server.pid() !== before && (await back()), { withinMs: seconds(20) }));
  await server.stop();
  assert.ok(await isGone(server.pid()));
});

test("a process that is killed takes its database server with it", async () => {
  await using folder = await scratchFolder();
  await using other = await otherProcess(folder.path);
  assert.equal(await isAlive(other.pid), true);
  await other.kill();
  assert.ok(await isGone(other.pid));
});

test("a server that was left behind all the same is taken over, and guarded again", {
  skip: process.platform !== "linux",
}, async () => {
  await using folder = await scratchFolder();
  await using first = await otherProcess(folder.path);
  await ask(first.url, "create table note (text text); insert into note values ('kept')");
  await killWatchdog(first.pid);
  await first.kill();
  assert.equal(await isAlive(first.pid), true, "without its watchdog nothing has stopped it");
  await using second = await otherProcess(folder.path);
  assert.deepEqual([second.adopted, second.pid], [true, first.pid]);
  assert.deepEqual(await ask(second.url, "select text from note"), [{ text: "kept" }]);
  await second.kill();
  assert.ok(await isGone(first.pid));
});

test("a folder that the database's user cannot reach gets its data elsewhere, and says where", {
  skip: process.getuid?.() !== 0,
}, async () => {
  await using folder = await scratchFolder();
  await chmod(folder.path, 0o700);
  const server = await start(join(folder.path, "postgres"));
  const place = (await readFile(join(folder.path, "postgres", "location"), "utf8")).trim();
  try {
    assert.match(place, /^\/var\/lib\/tenfold-postgres-/);
    assert.deepEqual(await ask(server.url, "select current_setting('data_directory') as place"), [
      { place: join(place, "cluster") },
    ]);
    await server.stop();
    const again = await start(join(folder.path, "postgres"));
    assert.equal(again.url, server.url);
    await again.stop();
  } finally {
    await rm(place, { recursive: true, force: true });
  }
});
