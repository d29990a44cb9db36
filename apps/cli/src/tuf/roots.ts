import { days } from "@tenfold/base";
import {
  type MetadataSigner,
  makeRoot,
  type RoleSpec,
  signMetadata,
  type TopRole,
  type TufKey,
  topRoles,
  tufKeyId,
} from "@tenfold/ota";
import { newestRoot, openSigners, type Repository, type SigningFolder, writeSigned } from "./folder.ts";

type Roles = Readonly<Record<TopRole, RoleSpec>>;

/** How long each file is good for, when nobody says otherwise. */
export const lifetimes = { root: days(365), targets: days(90) } as const;

/** The first root of a repository: its own keys off line, the server's for what is signed every day. */
export function firstRoles(repository: Repository, keys: { root: RoleSpec; targets: RoleSpec; online: TufKey }): Roles {
  const online = { keys: [keys.online], threshold: 1 };
  return { root: keys.root, timestamp: online, snapshot: online, targets: repository === "image" ? keys.targets : online };
}

export type RootWish = { version: number; now: number; lifetime: number; roles: Roles; signers: readonly MetadataSigner[] };

export const signRoot = ({ version, now, lifetime, roles, signers }: RootWish): Promise<string> =>
  signMetadata(makeRoot({ version, expires: now + lifetime, signedAt: now, roles }), signers);

/** What changes from one root to the next. */
export type RootChange = {
  readonly role: TopRole | "online";
  readonly add: readonly TufKey[];
  /** Key ids, or beginnings of them. */
  readonly remove: readonly string[];
  readonly threshold?: number | undefined;
};

/** The next root's roles. `online` stands for all roles that the server signs for, whose keys are replaced. */
export function changeRoles(repository: Repository, roles: Roles, { role, add, remove, threshold }: RootChange): Roles {
  const change = ({ keys, threshold: before }: RoleSpec): RoleSpec => ({
    keys: [...keys.filter((key) => !remove.some((id) => tufKeyId(key).startsWith(id))), ...add],
    threshold: threshold ?? before,
  });
  if (role !== "online") return { ...roles, [role]: change(roles[role]) };
  const online = { keys: add, threshold: 1 };
  return { ...roles, timestamp: online, snapshot: online, ...(repository === "director" ? { targets: online } : {}) };
}

/** The roles of the newest root in the folder, with whole keys. */
export async function currentRoles(folder: SigningFolder, repository: Repository): Promise<{ version: number; roles: Roles }> {
  const { signed, version } = await newestRoot(folder, repository);
  const spec = (role: TopRole): RoleSpec => ({
    keys: signed.roles[role].keyids.flatMap((id) => signed.keys.get(id) ?? []),
    threshold: signed.roles[role].threshold,
  });
  const entries = topRoles.map((role) => [role, spec(role)] as const);
  // One entry for each top role.
  return { version, roles: Object.fromEntries(entries) as Roles };
}

/** Signs the next root with the keys before and the keys now, as far as they are here, and writes it. */
export async function nextRoot(
  folder: SigningFolder,
  { repository, roles, keys, lifetime }: { repository: Repository; roles: Roles; keys: readonly string[]; lifetime: number },
): Promise<{ file: string; version: number }> {
  const { version } = await currentRoles(folder, repository);
  const signers = await openSigners(folder.path, [...new Set(keys)]);
  const text = await signRoot({ version: version + 1, now: Date.now(), lifetime, roles, signers });
  return { file: await writeSigned(folder, `${repository}/${version + 1}.root.json`, text), version: version + 1 };
}
