import type { Scope } from "@tenfold/base";
import { deviceIdPattern, deviceOperations, groupOperations, type Lifecycle, type TimelineEntry } from "@tenfold/contracts";
import { type Http, serve } from "../kernel/index.ts";
import { type ChangeDeps, createGroup, removeGroup, tagDevice } from "./changes.shell.ts";
import { deviceOf } from "./device.ts";
import { registryProblems, unknownDevice } from "./errors.ts";
import { readGroups } from "./groups.shell.ts";
import type { Registry } from "./index.ts";
import { countByKind, countDevices, readDevices } from "./store.ts";
import { summarize } from "./summary.ts";
import { readRegistryTimeline } from "./timeline.shell.ts";
import { mergeTimelines } from "./timeline.ts";

/** Another module's part of a device's past, newest first, at most `limit` entries. */
export type TimelineSource = (scope: Scope, device: string, limit: number) => Promise<TimelineEntry[]>;

export type RegistryRoutesDeps = ChangeDeps & { registry: Registry; timeline: readonly TimelineSource[] };

/** Devices and groups of the operator API. */
export function registryRoutes(app: Http, deps: RegistryRoutesDeps): void {
  deviceReading(app, deps);
  deviceChanges(app, deps);
  groupRoutes(app, deps);
}

function deviceReading(app: Http, { db, clock, registry, timeline }: RegistryRoutesDeps): void {
  serve(app, deviceOperations.listDevices, async ({ scope, query }) => {
    const now = clock.now();
    const filter = await registry.resolveFilter(scope, query.filter ?? "");
    const after = query.cursor === undefined ? undefined : readCursor(query.cursor);
    const [rows, total] = await Promise.all([
      readDevices(db, scope, { filter, now, limit: query.limit + 1, ...(after !== undefined && { after }) }),
      countDevices(db, scope, { filter, now }),
    ]);
    const shown = rows.slice(0, query.limit);
    const last = rows.length > query.limit ? shown.at(-1) : undefined;
    return { items: shown.map((row) => deviceOf(row, now)), total, ...(last && { nextCursor: writeCursor(last.id) }) };
  });

  serve(app, deviceOperations.getDevice, async ({ scope, params }) => {
    const device = await registry.get(scope, params.id);
    if (device === undefined) throw unknownDevice(params.id);
    return device;
  });

  serve(app, deviceOperations.summarizeDevices, async ({ scope, query }) => {
    const filter = await registry.resolveFilter(scope, query.filter ?? "");
    return summarize(await countByKind(db, scope, { filter, now: clock.now() }));
  });

  serve(app, deviceOperations.getDeviceTimeline, async ({ scope, params: { id }, query: { limit } }) => {
    const own = await readRegistryTimeline(db, scope, { id, limit });
    if (own === undefined) throw unknownDevice(id);
    return { items: mergeTimelines([own, ...(await Promise.all(timeline.map((source) => source(scope, id, limit))))], limit) };
  });
}

function deviceChanges(app: Http, deps: RegistryRoutesDeps): void {
  serve(app, deviceOperations.tagDevice, ({ scope, params: { id }, body, actor }) =>
    tagDevice(deps, scope, { id, changes: body.tags, actor }),
  );
  const transitions = [
    [deviceOperations.suspendDevice, "suspended"],
    [deviceOperations.quarantineDevice, "quarantined"],
    [deviceOperations.resumeDevice, "active"],
    [deviceOperations.retireDevice, "retired"],
  ] as const satisfies (readonly [typeof deviceOperations.suspendDevice, Lifecycle])[];
  for (const [operation, to] of transitions) {
    serve(app, operation, ({ scope, params: { id }, body: { reason }, actor }) =>
      deps.registry.setLifecycle(scope, id, { to, reason, actor }),
    );
  }
}

function groupRoutes(app: Http, deps: RegistryRoutesDeps): void {
  const { db, clock, registry } = deps;
  const membersOf = async (scope: Scope, filter: string) =>
    countDevices(db, scope, { filter: await registry.resolveFilter(scope, filter), now: clock.now() });

  serve(app, groupOperations.listGroups, async ({ scope }) => {
    const groups = await readGroups(db, scope);
    const items = groups.map(async ({ id, name, filter, members, created_at }) => ({
      id,
      name,
      createdAt: created_at.toISOString(),
      members: filter === null ? members : await membersOf(scope, filter),
      ...(filter !== null && { filter }),
    }));
    return { items: await Promise.all(items) };
  });

  serve(app, groupOperations.createGroup, async ({ scope, body: { name, filter, devices }, actor }) => {
    const group = await createGroup(deps, scope, {
      group: { name, actor, ...(filter !== undefined && { filter }), ...(devices !== undefined && { devices }) },
      check: (text) => registry.resolveFilter(scope, text),
    });
    return { ...group, members: filter === undefined ? new Set(devices).size : await membersOf(scope, filter) };
  });

  serve(app, groupOperations.deleteGroup, async ({ scope, params, actor }) => {
    await removeGroup(deps, scope, { id: params.id, actor });
    return { deleted: true as const };
  });
}

const writeCursor = (id: string): string => Buffer.from(id).toString("base64url");

function readCursor(cursor: string): string {
  const id = Buffer.from(cursor, "base64url").toString();
  if (deviceIdPattern.test(id)) return id;
  throw registryProblems.cursor_invalid("This cursor was not made by this list.", {
    field: "cursor",
    fix: "Begin without a cursor.",
  });
}
