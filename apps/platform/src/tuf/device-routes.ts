import type { Scope } from "@tenfold/base";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { DeviceHttp } from "../kernel/index.ts";
import type { TufDeps } from "./deps.ts";
import { directorSet } from "./director.shell.ts";
import { tufProblems } from "./errors.ts";
import { freshTimestamp } from "./image.shell.ts";
import { findFile, findSet } from "./store.ts";

/**
 * `/tuf/director/{id}/…` and `/tuf/image/…`: signed metadata for devices that are let in (docs/protocol/updates.md U20). Names are those of
 * TUF with consistent snapshots; images stand below `/tuf/image/targets/`.
 */
export function deviceRoutes(app: DeviceHttp, deps: TufDeps): void {
  const { db, admitRequest } = deps;
  app.get<{ Params: { device: string; name: string } }>("/tuf/director/:device/:name", async (request, reply) => {
    const { device, scope } = await admitRequest(request);
    if (request.params.device !== device)
      throw tufProblems.metadata_not_yours(`The director's word to ${request.params.device} is not for ${device}.`);
    return answer(reply, request.params.name, await directorFile(deps, { scope, device, name: request.params.name }));
  });
  app.get<{ Params: { name: string } }>("/tuf/image/:name", async (request, reply) => {
    const { scope } = await admitRequest(request);
    const { name } = request.params;
    const text =
      name === "timestamp.json"
        ? await freshTimestamp(deps, scope)
        : (await findFile(db, scope, { repository: "image", name: escaped(name) }))?.metadata;
    return answer(reply, name, text);
  });
  app.route<{ Params: { name: string; file: string } }>({
    method: ["GET", "HEAD"],
    url: "/tuf/image/targets/:name/:file",
    handler: async (request: FastifyRequest<{ Params: { file: string } }>, reply) => {
      const { scope } = await admitRequest(request);
      const sha256 = /^([0-9a-f]{64})\../.exec(request.params.file)?.[1];
      if (sha256 === undefined) throw unknown(request.params.file);
      return deps.sendArtifact(scope, sha256, { request, reply });
    },
  });
}

/** The router has read the escapes of a role's name; files are kept under the escaped one. */
const escaped = (name: string): string =>
  name.replace(/^(\d+)\.(.+)\.json$/, (_, version, role) => `${version}.${encodeURIComponent(role)}.json`);

type Wanted = { scope: Scope; device: string; name: string };

async function directorFile(deps: TufDeps, { scope, device, name }: Wanted): Promise<string | undefined> {
  const { db } = deps;
  if (name.endsWith(".root.json")) return (await findFile(db, scope, { repository: "director", name }))?.metadata;
  // Without a root nobody could believe what is signed here.
  if ((await findFile(db, scope, { repository: "director", name: "1.root.json" })) === undefined) return undefined;
  if (name === "timestamp.json") return (await directorSet(deps, scope, device)).timestamp;
  const set = await findSet(db, scope, device);
  if (set === undefined) return undefined;
  return { [`${set.version}.snapshot.json`]: set.snapshot, [`${set.version}.targets.json`]: set.targets }[name];
}

function answer(reply: FastifyReply, name: string, text: string | undefined): FastifyReply {
  if (text === undefined) throw unknown(name);
  const lasting = /^\d+\./.test(name);
  return reply
    .headers({ "Content-Type": "application/json", "Cache-Control": lasting ? "private, max-age=31536000, immutable" : "no-cache" })
    .send(text);
}

const unknown = (name: string) => tufProblems.metadata_file_unknown(`There is no metadata ${name.slice(0, 100)} here.`);
