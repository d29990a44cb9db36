import { type ApiClient, api, type MetadataStatus } from "@tenfold/contracts";
import type { Command } from "commander";
import { facts } from "../../output.ts";
import { newestOf, openFolder, type Repository, type SigningFolder, versionsOf } from "../../tuf/folder.ts";
import { currentTargets, envelopeOf } from "../../tuf/targets.ts";
import { addVerb, word } from "../../verb.ts";

export function tufPublish(tuf: Command): void {
  addVerb(tuf, {
    usage: "publish <folder>",
    summary: "Uploads what is new in a signing folder: roots and the list of releases, never a key",
    example: "tuf publish release-keys",
    async run(session, given) {
      const published = await publishFolder(await session.client(), await openFolder(word(given, 0)));
      session.out.one({ published }, () =>
        published.length === 0 ? ["The server has everything already."] : facts({ published: published.join(", ") }),
      );
    },
  });
}

/** Sends what the server does not have yet, roots first. Safe to repeat: what is there already is not sent again. */
export async function publishFolder(client: ApiClient, folder: SigningFolder): Promise<string[]> {
  const status = await client.call(api.getMetadataStatus, {});
  const published: string[] = [];
  for (const repository of ["image", "director"] as const) {
    const known = versionAt(status, repository, "root");
    for (const { name, version, text } of await versionsOf(folder, repository, "root")) {
      if (version <= known) continue;
      await client.call(api.publishRoot, { params: { repository }, body: { text } });
      published.push(`${repository}/${name}`);
    }
  }
  const targets = await newestOf(folder, "image", "targets");
  if (targets && targets.version > versionAt(status, "image", "targets")) {
    await client.call(api.publishTargets, { params: { role: "targets" }, body: { text: targets.text } });
    published.push(`image/${targets.name}`);
  }
  if (published.some((name) => name.startsWith("image/") && name.endsWith("root.json"))) await sendSignedAnew(client, folder);
  return published;
}

/** After a change of keys: releases that the server has, under the signatures of today. */
async function sendSignedAnew(client: ApiClient, folder: SigningFolder): Promise<void> {
  for (const path of Object.keys((await currentTargets(folder)).targets)) {
    const envelope = await envelopeOf(folder, path);
    const id = path.replace("/", "@");
    const known = envelope && (await client.call(api.getRelease, { params: { id } }).catch(() => undefined));
    if (known && JSON.stringify(known.envelope.signatures) !== JSON.stringify(envelope.signatures))
      await client.call(api.createRelease, { body: { envelope, notes: known.notes, channel: known.channel } });
  }
}

const versionAt = (status: MetadataStatus, repository: Repository, role: string): number =>
  status[repository].roles.find((one) => one.role === role)?.version ?? 0;
