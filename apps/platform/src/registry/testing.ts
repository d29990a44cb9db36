import { defaultScope } from "@tenfold/base";
import type { Actor, Heartbeat, LiveEvent } from "@tenfold/contracts";
import { createBus, createHttp, silentLog } from "../kernel/index.ts";
import { testDatabase } from "../kernel/testing.ts";
import { createRegistry } from "./index.ts";
import { registryRoutes, type TimelineSource } from "./routes.ts";

/** The moment at which tests begin. */
export const start = Date.UTC(2026, 9, 1);

export const operator: Actor = { kind: "person", id: "per_1", name: "Olga" };

export function heartbeatOf({ leaseS = 60, version = "1.0.0", ...rest }: Partial<Heartbeat> & { version?: string }): Heartbeat {
  return {
    seq: 1,
    bootId: "boot-1",
    uptimeS: 10,
    leaseS,
    monoS: 10,
    clock: "synced",
    firmware: { version, state: "confirmed" },
    ...rest,
  };
}

/** A registry over a database of its own, with a clock that only `pass` moves. */
export async function registryWorld({ timeline = [] }: { timeline?: TimelineSource[] } = {}) {
  const database = await testDatabase();
  let now = start;
  const clock = { now: () => now };
  const bus = createBus(clock);
  const events: LiveEvent[] = [];
  bus.subscribe((event) => void events.push(event));
  const audited: string[] = [];
  const deps = {
    db: database.db,
    bus,
    clock,
    log: silentLog,
    audit: async (_tx: unknown, _scope: unknown, change: { action: string; subject: { id: string } }) =>
      void audited.push(`${change.action} ${change.subject.id}`),
  };
  const registry = createRegistry(deps);
  const identity = { actor: operator, role: "admin", scope: defaultScope } as const;
  const app = await createHttp({ log: silentLog, authenticate: async () => identity, version: "0.0.0", answers: "validate" });
  registryRoutes(app, { ...deps, registry, timeline });
  return {
    ...deps,
    registry,
    app,
    events,
    audited,
    pass: (ms: number) => {
      now += ms;
      return now;
    },
    add: (id: string, tags: Record<string, string> = {}) =>
      database.db.transaction().execute((tx) => registry.register(tx, defaultScope, { id, lifecycle: "active", tags })),
    /** Calls the API as an administrator; `status` and the parsed body. */
    async call(method: "GET" | "POST" | "PATCH" | "DELETE", path: string, body?: Record<string, unknown>) {
      const answer = await app.inject({ method, url: `/api/v1${path}`, ...(body && { payload: body }) });
      return { status: answer.statusCode, body: answer.json() };
    },
    async [Symbol.asyncDispose]() {
      await app.close();
      await database[Symbol.asyncDispose]();
    },
  };
}
