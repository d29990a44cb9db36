import { createHash } from "node:crypto";
import { canonicalJson, days } from "@tenfold/base";
import type { ReleaseStatement } from "@tenfold/contracts";
import {
  type DirectedImage,
  inspectMetadata,
  type ListedImage,
  listImages,
  type MetadataRefusal,
  misfitOf,
  nextRoot,
  openTrusted,
  type RoleKeys,
  signersOf,
  type TopRole,
  type TufKey,
  targetPath,
  tufKeyId,
} from "@tenfold/ota";
import type { Board, Misdirected } from "./deps.ts";

export type Repository = "image" | "director";

/** How long what the server signs is good for. Signed anew when half of it is over, and only when somebody asks. */
export const lifetimes = { timestamp: days(1), snapshot: days(7), director: days(1) } as const;
export const isOld = (expires: number, now: number, lifetime: number): boolean => expires - now < lifetime / 2;

/** Versions follow the clock, so that a database that comes back from a backup never signs one that devices have seen before. */
export const nextVersion = (before: number | undefined, now: number): number =>
  Math.max((before ?? 0) + 1, Math.floor(now / 1_000));

/** The roles of each repository's root that the server signs for. */
export const onlineRoles = {
  image: ["timestamp", "snapshot"],
  director: ["timestamp", "snapshot", "targets"],
} as const satisfies Record<Repository, readonly TopRole[]>;

type RefusedUpload = "out_of_order" | "online_key_missing" | "no_root";
export type UploadRefusal = MetadataRefusal | { is: "refuse"; because: RefusedUpload; detail: string };
type Verdict<T> = ({ is: "take" } & T) | UploadRefusal;

const wrong = (because: RefusedUpload, detail: string) => ({ is: "refuse", because, detail }) as const;

/** Whether an uploaded root may be the next one. The server believes it by the same rules as a device, and must itself be named in it. */
export function judgeRoot(
  text: string,
  { repository, current, online, now }: { repository: Repository; current: string | undefined; online: TufKey; now: number },
): Verdict<{ version: number; expires: number }> {
  const bytes = Buffer.from(text);
  const before = current === undefined ? undefined : openTrusted(Buffer.from(current));
  if (before?.is === "refuse") return before;
  const step = before ? nextRoot(before.trusted, bytes) : openTrusted(bytes);
  if (step.is === "refuse") return step.because === "metadata_rollback" ? wrong("out_of_order", step.detail) : step;
  const { version, expires, roles } = step.trusted.root.signed;
  if (before === undefined && version !== 1) return wrong("out_of_order", `The first root has version 1; this one has ${version}.`);
  if (expires <= now)
    return { is: "refuse", because: "metadata_expired", detail: `This root ended at ${new Date(expires).toISOString()}.` };
  const id = tufKeyId(online);
  const without = onlineRoles[repository].filter((role) => !roles[role].keyids.includes(id) || roles[role].threshold > 1);
  if (without.length > 0)
    return wrong(
      "online_key_missing",
      `The server's online key ${id.slice(0, 16)}… may not sign alone for ${without.join(", ")} in this root.`,
    );
  return { is: "take", version, expires };
}

/** Who may sign a targets file: the root's keys for `targets`, or those of the delegation in the top one. */
export type Delegator = { role: RoleKeys; keys: ReadonlyMap<string, TufKey> };

export function delegatorOf(
  role: string,
  { root, targets }: { root: string | undefined; targets: string | undefined },
): Delegator | undefined {
  if (role === "targets") {
    const read = root === undefined ? undefined : inspectMetadata(root, "root");
    return read?.is === "read" ? { role: read.envelope.signed.roles.targets, keys: read.envelope.signed.keys } : undefined;
  }
  const read = targets === undefined ? undefined : inspectMetadata(targets, "targets");
  const delegations = read?.is === "read" ? read.envelope.signed.delegations : undefined;
  const found = delegations?.roles.find(({ name }) => name === role);
  return found && delegations ? { role: found, keys: delegations.keys } : undefined;
}

type TargetsCheck = { role: string; delegator: Delegator | undefined; currentVersion: number | undefined; now: number };

/** Whether an uploaded targets file may be the next one of its role, and what it lists. */
export function judgeTargets(
  text: string,
  { role, delegator, currentVersion, now }: TargetsCheck,
): Verdict<{ version: number; expires: number; images: ListedImage[] }> {
  if (delegator === undefined) return wrong("no_root", `Nothing here says who may sign ${role}.`);
  const read = inspectMetadata(text, "targets");
  if (read.is === "refuse") return read;
  const { signed } = read.envelope;
  const { version, expires } = signed;
  const signers = signersOf(read.envelope, delegator.role, delegator.keys);
  if (signers.size < delegator.role.threshold) {
    const detail = `${role} ${version} is signed by ${signers.size} of the ${delegator.role.threshold} keys that it needs.`;
    return { is: "refuse", because: "metadata_signature_invalid", detail };
  }
  if (currentVersion !== undefined && version <= currentVersion)
    return wrong("out_of_order", `${role} ${currentVersion} is here already; this one calls itself ${version}.`);
  if (expires <= now)
    return { is: "refuse", because: "metadata_expired", detail: `${role} ${version} ended at ${new Date(expires).toISOString()}.` };
  const listed = listImages(signed);
  return listed.is === "listed" ? { is: "take", version, expires, images: listed.images } : listed;
}

/**
 * Why a release is not for this hardware; undefined where it is. The signed statement knows models and revisions, the image repository's list
 * its hardware identifiers; either may be narrower. Hardware that nobody knows fits only what is for any.
 */
export function hardwareMisfit(
  statement: ReleaseStatement,
  hardwareIds: readonly string[],
  { model, hardwareRevision }: Board,
): Pick<Misdirected, "reason" | "detail"> | undefined {
  const misfit = misfitOf(statement, { model, hardwareRevision });
  if (misfit) {
    const reason = misfit.because === "hardware" ? "offer_incompatible_hardware" : "offer_incompatible_model";
    return { reason, detail: misfit.detail };
  }
  if (hardwareIds.length === 0 || (model !== undefined && hardwareIds.includes(model))) return undefined;
  const detail = `The image repository lists ${targetPath(statement)} for ${hardwareIds.join(", ")}; this is ${model ?? "an unknown model"}.`;
  return { reason: "offer_incompatible_model", detail };
}

/** What the director is to say to a device, as one text: equal means that nothing needs to be signed. */
export const subjectOf = (image: DirectedImage | undefined, signer: string): string =>
  createHash("sha256")
    .update(canonicalJson({ image: image ?? null, signer }))
    .digest("hex");

/** Who may sign what, by role, as a root says. */
export function roleKeysOf(root: string | undefined): Map<string, { keyids: string[]; threshold: number }> {
  const read = root === undefined ? undefined : inspectMetadata(root, "root");
  if (read?.is !== "read") return new Map();
  const roles = Object.entries(read.envelope.signed.roles);
  return new Map(roles.map(([role, { keyids, threshold }]) => [role, { keyids: [...keyids], threshold }]));
}
