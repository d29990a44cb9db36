import { readFile } from "node:fs/promises";
import { readPublicKey, type TopRole, type TufKey, tufKeyId, tufKeyOf } from "@tenfold/ota";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { facts } from "../../output.ts";
import { makeKey, openFolder, openSigners, type Repository, type SigningFolder, saveSettings } from "../../tuf/folder.ts";
import { changeRoles, currentRoles, lifetimes, nextRoot } from "../../tuf/roots.ts";
import { currentTargets, signReleasesAnew, signTargets } from "../../tuf/targets.ts";
import { addVerb, type Flags, text, texts, word } from "../../verb.ts";
import { durationOf, serversKey } from "./init.ts";

const roles = ["root", "targets", "online"] as const;
type RotatedRole = (typeof roles)[number];

export function tufRotate(tuf: Command): void {
  addVerb(tuf, {
    usage: "rotate <folder>",
    summary: "Signs the next root: keys in, keys out, another threshold. Devices follow it at their next look",
    flags: [
      ["--role <role>", "root, targets, or online (the server's key in all that it signs)"],
      ["--repository <repository>", "image or director; online changes both", "image"],
      [
        "--add <key...>",
        "keys that come in: private key files or pkcs11: URIs that sign here, or public halves (.pub); made where left out",
      ],
      ["--remove <keyid...>", "keys that go, by the beginning of their ids; all of the role's where left out"],
      ["--online <file>", "the server's new key (`tuf online --out FILE`); without it the server is asked"],
      ["--threshold <n>", "how many of the role's keys must sign from now on"],
      ["--expires <duration>", "how long the new root is good for", "365d"],
    ],
    example: "tuf rotate release-keys --role targets",
    async run(session, given) {
      const folder = await openFolder(word(given, 0));
      const role = roles.find((one) => one === text(given.flags, "role"));
      if (role === undefined)
        throw cliProblems.usage("Which role's keys change? Name it with --role.", { fix: `One of: ${roles.join(", ")}.` });
      const online = role === "online" ? await serversKey(session, text(given.flags, "online")) : undefined;
      const files = online
        ? await rotateOnline(folder, online, given.flags)
        : await rotateOwn(folder, role as "root" | "targets", given.flags);
      session.out.one({ files }, () => facts({ signed: files.join(", "), next: `tenfold tuf publish ${folder.path}` }));
    },
  });
}

async function rotateOnline(folder: SigningFolder, online: TufKey, flags: Flags): Promise<string[]> {
  const files: string[] = [];
  for (const repository of ["image", "director"] as const) {
    const { roles: before } = await currentRoles(folder, repository);
    const change = { role: "online", add: [online], remove: [] } as const;
    const keys = repository === "image" ? folder.settings.root : folder.settings.directorRoot;
    const lifetime = durationOf(flags, "expires", lifetimes.root);
    files.push((await nextRoot(folder, { repository, roles: changeRoles(repository, before, change), keys, lifetime })).file);
  }
  return files;
}

async function rotateOwn(folder: SigningFolder, role: Exclude<RotatedRole, "online">, flags: Flags): Promise<string[]> {
  const repository: Repository = text(flags, "repository") === "director" ? "director" : "image";
  if (repository === "director" && role === "targets")
    throw cliProblems.usage("The director's targets are signed by the server's key.", { fix: "Rotate it with --role online." });
  const place = role === "targets" ? "targets" : repository === "image" ? "root" : "directorRoot";
  const { roles: before, version } = await currentRoles(folder, repository);
  const given = texts(flags, "add");
  const added = given.length > 0 ? given : [await makeKey(folder.path, `${place}-${version + 1}`)];
  const privates = added.filter((one) => !one.endsWith(".pub"));
  const add = [...(await openSigners(folder.path, privates)).map(({ key }) => key), ...(await publicKeys(added))];
  const remove = texts(flags, "remove");
  const gone = remove.length > 0 ? remove : before[role as TopRole].keys.map(tufKeyId);
  const threshold = text(flags, "threshold");
  const change = { role: role as TopRole, add, remove: gone, ...(threshold === undefined ? {} : { threshold: Number(threshold) }) };
  const next = changeRoles(repository, before, change);
  if (next[role as TopRole].keys.length < next[role as TopRole].threshold)
    throw cliProblems.usage(
      `${next[role as TopRole].keys.length} keys cannot reach a threshold of ${next[role as TopRole].threshold}.`,
    );
  const own = repository === "image" ? folder.settings.root : folder.settings.directorRoot;
  const lifetime = durationOf(flags, "expires", lifetimes.root);
  // [TUF 5.3.4] By the keys before and by the keys now.
  const { file } = await nextRoot(folder, {
    repository,
    roles: next,
    keys: role === "root" ? [...own, ...privates] : own,
    lifetime,
  });
  const stay = await whoStays(folder, { uris: folder.settings[place], keys: next[role as TopRole].keys });
  const settings = { ...folder.settings, [place]: [...new Set([...stay, ...privates])] };
  await saveSettings(folder.path, settings);
  if (role !== "targets") return [file];
  // What the old keys listed and signed, the new ones do: nothing becomes uninstallable by a rotation.
  const { targets } = await currentTargets(folder);
  await signReleasesAnew({ ...folder, settings }, Object.keys(targets));
  const signed = await signTargets({ ...folder, settings }, { targets, lifetime: lifetimes.targets });
  return [file, signed.file];
}

const publicKeys = (given: readonly string[]): Promise<TufKey[]> =>
  Promise.all(
    given.filter((one) => one.endsWith(".pub")).map(async (file) => tufKeyOf(readPublicKey(await readFile(file, "utf8")))),
  );

async function whoStays(
  folder: SigningFolder,
  { uris, keys }: { uris: readonly string[]; keys: readonly TufKey[] },
): Promise<string[]> {
  const ids = new Set(keys.map(tufKeyId));
  const staying: string[] = [];
  for (const uri of uris) {
    const [signer] = await openSigners(folder.path, [uri]);
    if (signer && ids.has(tufKeyId(signer.key))) staying.push(uri);
  }
  return staying;
}
