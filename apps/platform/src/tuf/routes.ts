import type { Scope } from "@tenfold/base";
import { api, type MetadataStatus } from "@tenfold/contracts";
import { tufKeyId } from "@tenfold/ota";
import { type Http, serve } from "../kernel/index.ts";
import type { TufDeps } from "./deps.ts";
import { tufProblems } from "./errors.ts";
import { putRoot, putTargets } from "./image.shell.ts";
import { type Repository, roleKeysOf } from "./repository.ts";
import { countTargets, findFile, newestFiles } from "./store.ts";

export function routes(app: Http, deps: TufDeps): void {
  serve(app, api.getMetadataStatus, ({ scope }) => statusOf(deps, scope));
  serve(app, api.getMetadataFile, async ({ params, scope }) => {
    const { repository, name } = params;
    const file = await findFile(deps.db, scope, { repository, name });
    if (file === undefined) throw tufProblems.metadata_file_unknown(`The ${repository} repository has no ${name}.`);
    return { name, text: file.metadata };
  });
  serve(app, api.publishRoot, async ({ params, body, scope, actor }) => {
    await putRoot(deps, { scope, actor }, { repository: params.repository, text: body.text });
    return statusOf(deps, scope);
  });
  serve(app, api.publishTargets, async ({ params, body, scope, actor }) => {
    await putTargets(deps, { scope, actor }, { role: params.role, text: body.text });
    return statusOf(deps, scope);
  });
}

async function statusOf({ db, online, clock }: TufDeps, scope: Scope): Promise<MetadataStatus> {
  const now = clock.now();
  const repository = async (name: Repository) => {
    const files = await newestFiles(db, scope, name);
    const keys = roleKeysOf(files.get("root")?.metadata);
    const roles = [...files.values()].map(({ role, version, expires }) => ({
      role,
      version,
      expires: new Date(expires).toISOString(),
      expired: expires <= now,
      ...keys.get(role),
    }));
    return { set: files.has("root"), roles };
  };
  return {
    online: { keyid: tufKeyId(online.key), key: online.key },
    image: { ...(await repository("image")), targets: await countTargets(db, scope) },
    director: await repository("director"),
  };
}
