import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, open, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Log } from "../log.ts";
import { countRows } from "./column.ts";
import {
  type ColumnStore,
  type Deadlines,
  engineForm,
  longWorkMs,
  passingErrorCodes,
  storeProblems,
  usualDeadlines,
} from "./port.ts";
import { rowsOf } from "./rows.ts";
import { assertOneStatement, fillIn } from "./sql.ts";
import type { StoreAnswer, StoreCall, StoreGreeting, WorkerSettings } from "./worker-messages.ts";

export type ChdbStoreOptions = { path: string; log: Log; deadlines?: Deadlines };

export type ChdbStore = ColumnStore & {
  /** The store process that runs now, for tests and for `doctor`. */
  pid(): number | undefined;
};

type Request =
  | { do: "query" | "command"; sql: string }
  | { do: "file"; sql: string; path: string; format: string }
  | { do: "insert"; insert: Parameters<ColumnStore["insert"]>[0] }
  | { do: "close" };
type Pending = { request: Request; settle(answer: StoreAnswer): void; fail(error: Error): void; deadline: NodeJS.Timeout };

const workerFile = fileURLToPath(new URL("chdb-worker.ts", import.meta.url));
const longestPauseMs = 5_000;
/** The engine ends an overlong query itself; a process that misses even this is stuck, and is replaced. */
const graceMs = 10_000;

/**
 * The embedded store: a process of its own, started now, started again with a growing pause whenever it dies. What it was doing then
 * rejects with `store_unavailable`; what is asked while it starts waits, up to its deadline. Rejects with `store_locked` when another
 * process works on `path`.
 */
export async function openChdbStore({ path, log, deadlines = usualDeadlines }: ChdbStoreOptions): Promise<ChdbStore> {
  const files = resolve(path, "downloads");
  // What an earlier process had not sent to its end, nobody waits for any more.
  await rm(files, { recursive: true, force: true });
  await mkdir(files, { recursive: true });
  const pending = new Map<number, Pending>();
  const queue: { id: number; request: Request }[] = [];
  let worker: ChildProcess | undefined;
  let ready = false;
  let failures = 0;
  let nextId = 1;
  let life: "open" | "closing" | "closed" = "open";
  let restart: NodeJS.Timeout | undefined;
  const firstStart = Promise.withResolvers<void>();
  const exited = Promise.withResolvers<void>();

  const start = () => {
    const settings: WorkerSettings = { path, queryMs: deadlines.queryMs };
    // A small environment of its own: UTC, and enough threads that a long query never waits for an insert.
    const child = fork(workerFile, [JSON.stringify(settings)], {
      serialization: "advanced",
      execArgv: [],
      env: { UV_THREADPOOL_SIZE: "8", TZ: "UTC" },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    worker = child;
    child.on("message", (message) => {
      // Only chdb-worker.ts speaks on this channel.
      const said = message as StoreAnswer | StoreGreeting;
      if (said.is === "ready") began();
      else if (said.is === "locked") refused(said.message);
      else pending.get(said.id)?.settle(said);
    });
    child.on("error", (error) => log.error("store.process_error", { because: error.message }));
    child.on("exit", (code, signal) => ended(code, signal));
  };

  const began = () => {
    ready = true;
    if (failures > 0) log.info("store.recovered", { starts: failures + 1 });
    failures = 0;
    firstStart.resolve();
    for (const { id, request } of queue.splice(0)) send(id, request);
  };

  const refused = (message: string) => {
    firstStart.reject(
      storeProblems.store_locked(`The store in ${path} cannot be opened: ${message}`, {
        fix: "Another server may be running on the same data folder: stop it, or choose another with --data.",
      }),
    );
    worker?.kill("SIGKILL");
  };

  const ended = (code: number | null, signal: NodeJS.Signals | null) => {
    ready = false;
    worker = undefined;
    const lost = [...pending.values()];
    queue.length = 0;
    for (const each of lost)
      each.fail(storeProblems.store_unavailable("The store process ended in the middle of this call.", { retryAfterS: 1 }));
    if (life !== "open") {
      exited.resolve();
      return;
    }
    firstStart.reject(storeProblems.store_unavailable(`The store process did not start (exit code ${code}, signal ${signal}).`));
    if (failures === 0) log.error("store.process_ended", { code, signal, callsLost: lost.length });
    restart = setTimeout(start, Math.min(longestPauseMs, 100 * 2 ** failures++));
  };

  const send = (id: number, request: Request) => {
    const call: StoreCall =
      request.do === "insert"
        ? { id, do: "insert", ...request.insert }
        : request.do === "close"
          ? { id, do: "close" }
          : { id, ...request };
    worker?.send(call, (error) => {
      if (error) pending.get(id)?.fail(storeProblems.store_unavailable("The store process cannot be reached.", { cause: error }));
    });
  };

  const ask = (request: Request, deadlineMs: number): Promise<string> => {
    if (life === "closed" || (life === "closing" && request.do !== "close"))
      return Promise.reject(storeProblems.store_unavailable("The store is closing."));
    const id = nextId++;
    return new Promise<string>((resolve, reject) => {
      const done = () => {
        clearTimeout(deadline);
        pending.delete(id);
      };
      const fail = (error: Error) => {
        done();
        reject(error);
      };
      const settle = (answer: StoreAnswer) => {
        done();
        if (answer.is === "done") resolve(answer.text);
        else reject(problemOf(request, answer));
      };
      const deadline = setTimeout(() => {
        const wasSent = !queue.some((each) => each.id === id);
        queue.splice(0, queue.length, ...queue.filter((each) => each.id !== id));
        fail(storeProblems.store_unavailable(`The store did not answer within ${deadlineMs} ms.`));
        if (wasSent && ready) worker?.kill("SIGKILL");
      }, deadlineMs);
      pending.set(id, { request, settle, fail, deadline });
      if (ready) send(id, request);
      else queue.push({ id, request });
    });
  };

  start();
  try {
    await firstStart.promise;
  } catch (error) {
    life = "closed";
    clearTimeout(restart);
    worker?.kill("SIGKILL");
    throw error;
  }
  const { queryMs, insertMs } = deadlines;
  return {
    pid: () => worker?.pid,
    async insert(insert) {
      if (countRows(insert.columns) > 0) await ask({ do: "insert", insert }, insertMs);
    },
    query: async <Row>(sql: string, parameters = {}) =>
      rowsOf<Row>(await ask({ do: "query", sql: assertOneStatement(fillIn(sql, parameters)) }, queryMs + graceMs)),
    async command(sql, parameters = {}) {
      await ask({ do: "command", sql: assertOneStatement(fillIn(sql, parameters)) }, longWorkMs + graceMs);
    },
    async download(sql, parameters, form) {
      const path = join(files, randomUUID());
      try {
        await ask(
          { do: "file", sql: assertOneStatement(fillIn(sql, parameters)), path, format: engineForm[form] },
          longWorkMs + graceMs,
        );
        return (await open(path)).createReadStream();
      } finally {
        // Open files stay readable without a name, and vanish with their last reader.
        await rm(path, { force: true });
      }
    },
    async ping() {
      await ask({ do: "query", sql: "SELECT 1" }, queryMs + graceMs);
    },
    async close() {
      if (life !== "open") return exited.promise;
      life = "closing";
      clearTimeout(restart);
      if (worker === undefined) exited.resolve();
      else await ask({ do: "close" }, insertMs).catch(() => undefined);
      life = "closed";
      worker?.kill("SIGKILL");
      await exited.promise;
    },
  };
}

function problemOf(request: Request, { code, message }: StoreAnswer & { is: "failed" }): Error {
  const cause = new Error(message);
  if (code === 159)
    return request.do === "insert"
      ? storeProblems.store_unavailable("The store did not take the rows in time.", { cause })
      : storeProblems.query_too_long("The query took too long and was ended.", {
          cause,
          fix: "Ask for a shorter span of time or fewer devices.",
        });
  if (code !== undefined && passingErrorCodes.has(code) && request.do === "insert")
    return storeProblems.store_unavailable("The store cannot take rows now.", { cause });
  return storeProblems.store_refused(
    request.do === "insert" ? `The store refused rows for ${request.insert.table}.` : "The store refused a statement.",
    { cause },
  );
}
