import { addSignatures, type MetadataSigner, type TufKey } from "@tenfold/ota";
import { cliProblems } from "../exit.ts";
import { createFolder, makeKey, openSigners, type Repository, type SigningFolder, saveSettings, writeSigned } from "./folder.ts";
import { firstRoles, signRoot } from "./roots.ts";
import { signTargets } from "./targets.ts";

export type FolderWish = {
  readonly online: TufKey;
  /** Keys as files or `pkcs11:` URIs; where none are named, they are made. */
  readonly rootKeys: readonly string[];
  readonly targetsKeys: readonly string[];
  readonly rootThreshold: number;
  readonly targetsThreshold: number;
  readonly rootLifetime: number;
  readonly targetsLifetime: number;
  /** Release keys that devices in the field believe already. */
  readonly vouchers: readonly string[];
};

/** Makes a signing folder: keys, the first root of each repository, `roots.json` for devices, and an empty list of releases. */
export async function initFolder(path: string, wish: FolderWish): Promise<SigningFolder> {
  const folder = await createFolder(path, { root: [], targets: [], directorRoot: [] });
  const settings = await keysFor(path, wish);
  Object.assign(folder.settings, settings);
  await saveSettings(path, settings);
  const vouchers = await openSigners(path, wish.vouchers);
  const targets = role(await openSigners(path, settings.targets), wish.targetsThreshold);
  const roots: Partial<Record<Repository, unknown>> = {};
  for (const repository of ["image", "director"] as const) {
    const signers = await openSigners(path, repository === "image" ? settings.root : settings.directorRoot);
    const roles = firstRoles(repository, { root: role(signers, wish.rootThreshold), targets, online: wish.online });
    const signed = await signRoot({ version: 1, now: Date.now(), lifetime: wish.rootLifetime, roles, signers });
    const vouched = await addSignatures(signed, vouchers);
    await writeSigned(folder, `${repository}/1.root.json`, vouched);
    roots[repository] = JSON.parse(vouched);
  }
  await writeSigned(folder, "roots.json", JSON.stringify(roots));
  await signTargets(folder, { targets: {}, lifetime: wish.targetsLifetime });
  return folder;
}

async function keysFor(path: string, { rootKeys, targetsKeys }: FolderWish) {
  const given = (keys: readonly string[], name: string) => (keys.length > 0 ? [...keys] : makeKey(path, name).then((key) => [key]));
  return {
    root: await given(rootKeys, "root"),
    targets: await given(targetsKeys, "targets"),
    directorRoot: await given(rootKeys, "director-root"),
  };
}

function role(signers: readonly MetadataSigner[], threshold: number) {
  if (threshold <= signers.length) return { keys: signers.map(({ key }) => key), threshold };
  throw cliProblems.usage(`${threshold} of ${signers.length} keys can never sign.`, {
    fix: "Name more keys, or a lower threshold.",
  });
}
