import { inspectMetadata, nextRoot, openTrusted, signersOf, type Trusted, topTargets } from "@tenfold/ota";
import { newestOf, type Repository, type SigningFolder, versionsOf } from "./folder.ts";

export type RoleState = {
  repository: Repository;
  role: string;
  version: number;
  expires: number;
  /** Different keys that have signed, and how many must. */
  signed: number;
  needed: number;
  /** What is wrong, or undefined. */
  fault?: string;
};

/** Walks through what the folder holds as a device would: the chain of roots, then the targets. */
export async function examineFolder(folder: SigningFolder, now: number): Promise<RoleState[]> {
  const image = await examineRoots(folder, "image", now);
  const director = await examineRoots(folder, "director", now);
  const targets = image.trusted && (await examineTargets(folder, image.trusted, now));
  return [...image.states, ...(targets ? [targets] : []), ...director.states];
}

async function examineRoots(folder: SigningFolder, repository: Repository, now: number) {
  let trusted: Trusted | undefined;
  const states: RoleState[] = [];
  const files = await versionsOf(folder, repository, "root");
  for (const { text, version } of files) {
    const bytes = Buffer.from(text);
    const step = trusted ? nextRoot(trusted, bytes) : openTrusted(bytes);
    const read = inspectMetadata(text, "root");
    if (read.is === "refuse") {
      states.push({ repository, role: "root", version, expires: 0, signed: 0, needed: 0, fault: read.detail });
      return { trusted, states };
    }
    const { signed } = read.envelope;
    const signers = signersOf(read.envelope, signed.roles.root, signed.keys).size;
    const newest = version === files.at(-1)?.version;
    const late = newest && signed.expires <= now ? "it has ended" : undefined;
    const fault = step.is === "refuse" ? step.detail : late;
    states.push({
      repository,
      role: "root",
      version,
      expires: signed.expires,
      signed: signers,
      needed: signed.roles.root.threshold,
      ...(fault ? { fault } : {}),
    });
    if (step.is === "refuse") return { trusted, states };
    trusted = step.trusted;
  }
  return { trusted, states };
}

async function examineTargets(folder: SigningFolder, trusted: Trusted, now: number): Promise<RoleState | undefined> {
  const file = await newestOf(folder, "image", "targets");
  if (file === undefined) return undefined;
  const { role, keys } = topTargets(trusted);
  const state = { repository: "image" as const, role: "targets", version: file.version, needed: role.threshold };
  const read = inspectMetadata(file.text, "targets");
  if (read.is === "refuse") return { ...state, expires: 0, signed: 0, fault: read.detail };
  const signed = signersOf(read.envelope, role, keys).size;
  const { expires } = read.envelope.signed;
  const fault =
    signed < role.threshold ? `${role.threshold - signed} more keys must sign it` : expires <= now ? "it has ended" : undefined;
  return { ...state, expires, signed, ...(fault ? { fault } : {}) };
}
