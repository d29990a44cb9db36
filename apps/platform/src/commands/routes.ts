import { api } from "@tenfold/contracts";
import { type Http, serve } from "../kernel/index.ts";
import { commandView } from "./command.ts";
import type { CommandsDeps } from "./deps.ts";
import { desire, desireMany, stateOf } from "./desire.shell.ts";
import { listChanges } from "./desired.shell.ts";
import { unknownCommand } from "./errors.ts";
import { giveCommand, takeBack } from "./give.shell.ts";
import { countBatch, listCommands, readCommand } from "./store.ts";

type RouteDeps = CommandsDeps & { wake: () => void };

export function routes(app: Http, deps: RouteDeps): void {
  commandRoutes(app, deps);
  stateRoutes(app, deps);
}

function commandRoutes(app: Http, deps: RouteDeps): void {
  const { db, wake } = deps;
  serve(app, api.giveCommand, async ({ body, scope, actor }) => {
    const given = await giveCommand(deps, { scope, actor }, body);
    wake();
    return { ...given, items: given.items.map(commandView) };
  });
  serve(app, api.listCommands, async ({ query: { limit, cursor, ...question }, scope }) => {
    const found = await listCommands(db, scope, { ...question, before: cursor, limit: limit + 1 });
    const page = found.slice(0, limit);
    const last = page.at(-1);
    return { items: page.map(commandView), ...(found.length > page.length && last ? { nextCursor: last.id } : {}) };
  });
  serve(app, api.getCommand, async ({ params, scope }) => {
    const found = await readCommand(db, scope, params.id);
    if (found === undefined) throw unknownCommand(params.id);
    return commandView(found);
  });
  serve(app, api.getCommandBatch, async ({ params, scope }) => {
    const counts = await countBatch(db, scope, params.id);
    if (counts.size === 0) throw unknownCommand(params.id);
    const pending = (counts.get("queued") ?? 0) + (counts.get("sent") ?? 0) + (counts.get("delivered") ?? 0);
    const devices = counts.values().reduce((sum, n) => sum + n, 0);
    return { batch: params.id, devices, pending, counts: Object.fromEntries(counts) };
  });
  serve(app, api.cancelCommand, async ({ params, body, scope, actor }) =>
    commandView(await takeBack(deps, { scope, actor }, { id: params.id, reason: body.reason })),
  );
}

function stateRoutes(app: Http, deps: RouteDeps): void {
  const { db, wake } = deps;
  serve(app, api.getDeviceState, async ({ params, scope }) => stateOf(deps, scope, params.id));
  serve(app, api.replaceDesiredState, async ({ params, body: { state, ...rest }, scope, actor }) => {
    const answer = await desire(deps, { scope, actor }, { ...rest, device: params.id, mode: "replace", document: state });
    wake();
    return answer;
  });
  serve(app, api.mergeDesiredState, async ({ params, body: { patch, ...rest }, scope, actor }) => {
    const answer = await desire(deps, { scope, actor }, { ...rest, device: params.id, mode: "merge", document: patch });
    wake();
    return answer;
  });
  serve(app, api.listDesiredChanges, async ({ params, query, scope }) => {
    // Throws for a device that the fleet does not have.
    await stateOf(deps, scope, params.id);
    const changes = await listChanges(db, scope, { device: params.id, limit: query.limit });
    return { items: changes.map(({ at, ...change }) => ({ ...change, at: new Date(at).toISOString() })) };
  });
  serve(app, api.changeDesiredStates, async ({ body, scope, actor }) => {
    const answer = await desireMany(deps, { scope, actor }, body);
    wake();
    return answer;
  });
}
