/** The calls of hawkBit's management API that tests of clients make, answered from the platform. What Tenfold has not is refused with 501. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ApiClient, api as operations } from "@tenfold/contracts";
import type { RunningPlatform } from "../../running-platform.ts";
import { releaseKey } from "../ddi.ts";
import type { Actions } from "./actions.ts";
import { createActions } from "./actions.ts";
import type { DevicePort } from "./as-device.ts";
import type { Targets } from "./targets.ts";

export type Asked = { method: string; path: string; query: URLSearchParams; type: string; body: Buffer };
export type Answered = { status: number; body?: unknown };
export type Management = ((asked: Asked) => Promise<Answered>) & {
  /** A setting of hawkBit's tenant. Those of authentication are for the front itself, which stands between token and certificate. */
  setting(key: string): unknown;
};

type Module = { id: number; name: string; version: string; files: Map<number, string> };
type DistributionSet = { id: number; modules: Module[] };
/** The settings and what was put together but not assigned yet: the platform knows only finished, signed releases. */
type Workshop = {
  settings: Map<string, unknown>;
  modules: Map<number, Module>;
  sets: Map<number, DistributionSet>;
  next: () => number;
};
type Parts = { platform: RunningPlatform; api: ApiClient; targets: Targets; actions: Actions; workshop: Workshop };
type Call = Asked & { words: string[] };
type Handler = (parts: Parts, call: Call) => Promise<Answered>;

export async function createManagement(
  platform: RunningPlatform,
  { api, port, targets }: { api: ApiClient; port: DevicePort; targets: Targets },
): Promise<Management> {
  let last = 0;
  const workshop = { settings: new Map<string, unknown>(), modules: new Map(), sets: new Map(), next: () => ++last };
  const key = await releaseKey(platform);
  const parts = { platform, api, targets, workshop, actions: createActions(platform, { api, port, key, targets }) };
  const answer = async (asked: Asked): Promise<Answered> => {
    for (const [method, pattern, handler] of routes) {
      const found = method === asked.method ? pattern.exec(asked.path) : null;
      if (found) return handler(parts, { ...asked, words: found.slice(1).map(decodeURIComponent) });
    }
    return { status: 404, body: { message: `${asked.method} ${asked.path} is not served here.` } };
  };
  return Object.assign(answer, { setting: (name: string) => workshop.settings.get(name) });
}

const ok = (body?: unknown): Answered => ({ status: 200, body });
const json = ({ body }: Asked): unknown => JSON.parse(body.toString("utf8"));
const number = (word: string | undefined): number => Number(word ?? 0);

const routes: readonly [method: string, path: RegExp, handler: Handler][] = [
  ["GET", /^system\/configs\/(.+)$/, async ({ workshop }, { words: [key = ""] }) => ok({ value: workshop.settings.get(key) })],
  ["PUT", /^system\/configs\/(.+)$/, putSetting],
  ["POST", /^targets$/, addTargets],
  ["GET", /^targets\/([^/]+)$/, getTarget],
  ["DELETE", /^targets\/([^/]+)$/, deleteTarget],
  ["GET", /^targets\/([^/]+)\/attributes$/, getAttributes],
  ["POST", /^softwaremodules$/, addModules],
  ["DELETE", /^softwaremodules\/(\d+)$/, deleteModule],
  ["POST", /^softwaremodules\/(\d+)\/artifacts$/, addArtifact],
  ["DELETE", /^softwaremodules\/(\d+)\/artifacts\/(\d+)$/, deleteArtifact],
  ["POST", /^distributionsets$/, addSets],
  ["DELETE", /^distributionsets\/(\d+)$/, deleteSet],
  ["POST", /^distributionsets\/(\d+)\/assignedTargets$/, assign],
  ["GET", /^targets\/([^/]+)\/actions\/(\d+)$/, async ({ actions }, { words }) => found(await actions.show(number(words[1])))],
  ["GET", /^targets\/([^/]+)\/actions\/(\d+)\/status$/, listStatus],
  ["DELETE", /^targets\/([^/]+)\/actions\/(\d+)$/, cancelAction],
];

const found = (body: unknown): Answered => (body === undefined ? { status: 404, body: { message: "unknown" } } : ok(body));

async function putSetting({ workshop }: Parts, call: Call): Promise<Answered> {
  const { value } = json(call) as { value: unknown };
  workshop.settings.set(call.words[0] ?? "", value);
  return ok();
}

async function addTargets({ targets }: Parts, call: Call): Promise<Answered> {
  const wanted = json(call) as { controllerId: string; securityToken?: string }[];
  const made = [];
  for (const { controllerId, securityToken } of wanted) made.push(await targets.add(controllerId, securityToken));
  return { status: 201, body: made.map(({ id, token }) => ({ controllerId: id, name: id, securityToken: token })) };
}

async function getTarget({ api, targets }: Parts, { words: [id = ""] }: Call): Promise<Answered> {
  const { token } = targets.get(id);
  const device = await api.call(operations.getDevice, { params: { id } });
  return ok({ controllerId: device.id, name: device.id, securityToken: token });
}

async function deleteTarget({ targets }: Parts, { words: [id = ""] }: Call): Promise<Answered> {
  await targets.remove(id);
  return ok();
}

/** [DDI 7.2] What the client told stands in the device's reported state. */
async function getAttributes({ api }: Parts, { words: [id = ""] }: Call): Promise<Answered> {
  const { reported } = await api.call(operations.getDeviceState, { params: { id } });
  return ok((reported as { attributes?: unknown } | null)?.attributes ?? {});
}

async function addModules({ workshop }: Parts, call: Call): Promise<Answered> {
  const wanted = json(call) as { name: string; version: string }[];
  const made = wanted.map(({ name, version }) => ({ id: workshop.next(), name, version, files: new Map<number, string>() }));
  for (const one of made) workshop.modules.set(one.id, one);
  return { status: 201, body: made.map(({ id, name, version }) => ({ id, name, version })) };
}

async function deleteModule({ workshop }: Parts, { words }: Call): Promise<Answered> {
  return workshop.modules.delete(number(words[0])) ? ok() : found(undefined);
}

async function addArtifact({ platform, workshop }: Parts, call: Call): Promise<Answered> {
  const module = workshop.modules.get(number(call.words[0]));
  if (module === undefined) return found(undefined);
  const form = await new Response(new Uint8Array(call.body), { headers: { "content-type": call.type } }).formData();
  const file = form.get("file");
  if (!(file instanceof File)) return { status: 400, body: { message: "There is no file." } };
  const id = workshop.next();
  const path = join(platform.dir, `artifact-${id}.raucb`);
  await writeFile(path, Buffer.from(await file.arrayBuffer()));
  module.files.set(id, path);
  return { status: 201, body: { id } };
}

async function deleteArtifact({ workshop }: Parts, { words }: Call): Promise<Answered> {
  return workshop.modules.get(number(words[0]))?.files.delete(number(words[1])) ? ok() : found(undefined);
}

async function addSets({ workshop }: Parts, call: Call): Promise<Answered> {
  const wanted = json(call) as { modules: { id: number }[] }[];
  const made = wanted.map(({ modules }) => ({
    id: workshop.next(),
    modules: modules.flatMap(({ id }) => workshop.modules.get(id) ?? []),
  }));
  for (const one of made) workshop.sets.set(one.id, one);
  return { status: 201, body: made.map(({ id }) => ({ id })) };
}

async function deleteSet({ workshop }: Parts, { words }: Call): Promise<Answered> {
  return workshop.sets.delete(number(words[0])) ? ok() : found(undefined);
}

async function assign({ workshop, actions }: Parts, call: Call): Promise<Answered> {
  const files = workshop.sets.get(number(call.words[0]))?.modules.flatMap(({ files }) => [...files.values()]) ?? [];
  const wanted = json(call) as { id: string; type?: string; maintenanceWindow?: unknown }[];
  const [file, more] = files;
  if (file === undefined) return found(undefined);
  if (more !== undefined) return notHere("A release has one artifact (DDI 4.3).");
  if (wanted.some(({ type }) => type === "downloadonly")) return notHere("A download alone is no end (DDI 8.1).");
  const assignedActions = [];
  for (const { id, maintenanceWindow } of wanted)
    assignedActions.push({ id: await actions.assign(id, file, maintenanceWindow ? "window" : "now") });
  return ok({ assignedActions });
}

const notHere = (message: string): Answered => ({ status: 501, body: { message } });

async function listStatus({ actions }: Parts, { words }: Call): Promise<Answered> {
  const shown = await actions.show(number(words[1]));
  return shown ? ok({ content: [shown.newest] }) : found(undefined);
}

async function cancelAction({ actions }: Parts, { words, query }: Call): Promise<Answered> {
  const action = number(words[1]);
  if (query.get("force") === "true") await actions.giveUp(action);
  else await actions.cancel(action);
  return ok();
}
