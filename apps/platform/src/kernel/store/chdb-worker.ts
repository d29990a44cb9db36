/**
 * The store process: chdb by itself, so that its threads cannot stall a journal's fdatasync and its death is not the platform's.
 * Started by chdb-store.ts with an IPC channel; it ends when the channel does.
 */
import { setTimeout as pause } from "node:timers/promises";
import { describeError } from "@tenfold/base";
import { type Engine, openEngine } from "./chdb-engine.ts";
import type { StoreAnswer, StoreCall, StoreGreeting, WorkerSettings } from "./worker-messages.ts";

// The parent writes the settings as its only argument.
const settings = JSON.parse(process.argv[2] ?? "{}") as WorkerSettings;
const lockPatienceMs = 10_000;

// A parent that is gone can be told nothing more, and its successor waits for the lock. The store survives kill -9 at any moment.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
// Ctrl-C and service managers reach the whole group; the parent decides when we close.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => undefined);

const say = (message: StoreAnswer | StoreGreeting) => process.connected && process.send?.(message);

/** After a kill -9 of a platform its store process may live a moment longer: we wait for its lock, but not for ever. */
async function openPatiently(): Promise<Engine> {
  for (const since = Date.now(); ; await pause(100)) {
    try {
      return await openEngine(settings);
    } catch (error) {
      if (Date.now() - since > lockPatienceMs) throw error;
    }
  }
}

async function answer(engine: Engine, call: StoreCall): Promise<string> {
  switch (call.do) {
    case "query":
      return engine.query(call.sql);
    case "command":
      await engine.command(call.sql);
      return "";
    case "file":
      await engine.file(call);
      return "";
    case "insert":
      await engine.insert(call);
      return "";
    case "close":
      await engine.close();
      return "";
  }
}

try {
  const engine = await openPatiently();
  process.on("message", (message) => {
    // Only chdb-store.ts speaks on this channel.
    const call = message as StoreCall;
    answer(engine, call).then(
      (text) => say({ id: call.id, is: "done", text }),
      (error: unknown) => say({ id: call.id, is: "failed", code: codeOf(error), message: describeError(error) }),
    );
  });
  say({ is: "ready" });
} catch (error) {
  say({ is: "locked", message: describeError(error) });
}

function codeOf(error: unknown): number | undefined {
  return error instanceof Error && "clickhouseCode" in error && typeof error.clickhouseCode === "number"
    ? error.clickhouseCode
    : undefined;
}
