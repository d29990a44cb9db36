import { join } from "node:path";
import { parseDuration } from "@tenfold/base";
import { api } from "@tenfold/contracts";
import type { TufKey } from "@tenfold/ota";
import type { Command } from "commander";
import type { Session } from "../../context.ts";
import { cliProblems } from "../../exit.ts";
import { facts } from "../../output.ts";
import { readOnlineKey } from "../../tuf/folder.ts";
import { initFolder } from "../../tuf/init.ts";
import { lifetimes } from "../../tuf/roots.ts";
import { addVerb, type Flags, text, texts, word } from "../../verb.ts";

export function tufInit(tuf: Command): void {
  addVerb(tuf, {
    usage: "init <folder>",
    summary: "Makes roots, keys and an empty list of releases in a folder that never meets the server",
    flags: [
      ["--online <file>", "the server's public key (`tuf online --out FILE`); without it the server is asked"],
      ["--root-key <key...>", "keys of the roots: files or pkcs11: URIs; made where left out"],
      ["--targets-key <key...>", "keys that sign releases; made where left out"],
      ["--root-threshold <n>", "how many root keys must sign", "1"],
      ["--targets-threshold <n>", "how many targets keys must sign", "1"],
      ["--root-expires <duration>", "how long a root is good for", "365d"],
      ["--targets-expires <duration>", "how long a list of releases is good for: no freeze goes unnoticed longer", "90d"],
      ["--vouch <key...>", "release keys that devices in the field believe already: they then come to believe these roots"],
    ],
    example: "tuf init release-keys",
    run: async (session, given) => init(session, { path: word(given, 0), flags: given.flags }),
  });
}

async function init(session: Session, { path, flags }: { path: string; flags: Flags }): Promise<void> {
  const folder = await initFolder(path, {
    online: await serversKey(session, text(flags, "online")),
    rootKeys: texts(flags, "rootKey"),
    targetsKeys: texts(flags, "targetsKey"),
    rootThreshold: countOf(flags, "rootThreshold"),
    targetsThreshold: countOf(flags, "targetsThreshold"),
    rootLifetime: durationOf(flags, "rootExpires", lifetimes.root),
    targetsLifetime: durationOf(flags, "targetsExpires", lifetimes.targets),
    vouchers: texts(flags, "vouch"),
  });
  session.out.one({ folder: path, roots: join(path, "roots.json"), keys: folder.settings }, () =>
    facts({
      folder: `${path} (keep it, and a copy of it, away from the server)`,
      "root keys": folder.settings.root.join(", "),
      "targets keys": folder.settings.targets.join(", "),
      "for devices": `${join(path, "roots.json")} (agent: --tuf-roots)`,
      next: `tenfold tuf publish ${path}`,
    }),
  );
}

function countOf(flags: Flags, name: string): number {
  const count = Number(text(flags, name));
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw cliProblems.usage(`A threshold is a whole number of at least 1, not ${text(flags, name)}.`);
}

export function durationOf(flags: Flags, name: string, otherwise: number): number {
  const given = text(flags, name);
  const length = given === undefined ? otherwise : parseDuration(given);
  if (length === undefined) throw cliProblems.usage(`"${given}" is no length of time such as 90d.`);
  return length;
}

/** The server's key from a file that was carried over, or from the server where this machine may talk to it. */
export async function serversKey(session: Session, file: string | undefined): Promise<TufKey> {
  if (file !== undefined) return readOnlineKey(file);
  const client = await session.client();
  return (await client.call(api.getMetadataStatus, {})).online.key;
}
