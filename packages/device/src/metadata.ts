import { createHash } from "node:crypto";
import { describeError } from "@tenfold/base";
import {
  agreed,
  counterOf,
  type Direction,
  findTarget,
  type ImageCustom,
  type MetadataRefusal,
  type MetadataSource,
  openTrusted,
  type PublicKey,
  type Refreshed,
  raiseFloors,
  readDirection,
  refresh,
  releaseTrustOf,
  type Trust,
  type Trusted,
  vouchedBy,
} from "@tenfold/ota";
import { z } from "zod";
import { deviceProblems } from "./errors.ts";

const stored = z.strictObject({
  root: z.string(),
  timestamp: z.string().optional(),
  snapshot: z.string().optional(),
  targets: z.record(z.string(), z.string()).optional(),
});

/**
 * What a device believes of both repositories: the files as they were signed, and what it learned from them for ever. Saved whole and
 * before it is acted upon, so that a power cut leaves the old state or the new one.
 */
const deviceTrust = z.strictObject({
  version: z.literal(1),
  image: stored,
  director: stored,
  /** By name of release: below it nothing is installed. Never sinks. */
  floors: z.record(z.string(), z.string()),
  /** Public keys (PEM) under which the images in the slots were signed, for the boot loader: it must start what it started yesterday. */
  bootKeys: z.array(z.string()),
  /** The latest time that a key vouches for which no server holds, milliseconds. */
  provenAt: z.number(),
});
export type DeviceTrust = z.infer<typeof deviceTrust>;

/** Reads what was saved. Throws `device_trust_unreadable`: a device that forgot whom it believes must not begin to believe anew. */
export function parseDeviceTrust(text: string): DeviceTrust {
  try {
    return deviceTrust.parse(JSON.parse(text));
  } catch (cause) {
    throw deviceProblems.device_trust_unreadable(`The device's signed metadata cannot be read: ${describeError(cause)}`, {
      cause,
      fix: "Restore the state folder from a copy, or set the device up anew with its roots.",
    });
  }
}

/** The first root of each repository, as a device is made with them. */
export type DeviceRoots = { readonly image: string; readonly director: string };

/** Reads `{"image": …, "director": …}`, each a root as it was signed. Throws where it is something else. */
export function parseDeviceRoots(text: string): DeviceRoots {
  const { image, director } = z.strictObject({ image: z.json(), director: z.json() }).parse(JSON.parse(text));
  const roots = { image: JSON.stringify(image), director: JSON.stringify(director) };
  for (const root of Object.values(roots)) {
    const opened = openTrusted(Buffer.from(root));
    if (opened.is === "refuse") throw deviceProblems.device_trust_unreadable(opened.detail);
  }
  return roots;
}

export const beginTrust = ({ image, director }: DeviceRoots): DeviceTrust => ({
  version: 1,
  image: { root: image },
  director: { root: director },
  floors: {},
  bootKeys: [],
  provenAt: 0,
});

/** How a device asks for metadata: one conversation, over which a whole check goes. */
export type MetadataTalk = AsyncDisposable & {
  /** `image/2.root.json`, `director/timestamp.json`. As `MetadataSource`. */
  fetch: MetadataSource;
};

/** Whose metadata was refused; `both` where they contradict each other. */
export type Refused = MetadataRefusal & { repository: "image" | "director" | "both" };

/** What the metadata says of this device now. */
export type Checked =
  | { is: "nothing" }
  | { is: "directed"; direction: Direction; custom: ImageCustom; signers: Trust; floor?: string; runningCounter?: number }
  | Refused;

/** What a device knows about an offer: `unguarded` where neither it nor the platform knows of any metadata. */
export type OfferCheckup = Checked | { is: "unguarded" } | { is: "unreachable"; because: "metadata_unreachable"; detail: string };

export type Following = {
  readonly device: string;
  /** Its hardware identifier. */
  readonly model: string;
  /** SHA-256 of the image that runs. */
  readonly running: string | undefined;
  /** The device's own idea of the time, milliseconds. */
  readonly now: number;
};

/**
 * [Uptane 5.4.4.2] Full verification: the director's word to this device, and the image repository's about the same image, each by its own
 * keys. `trust` is to be kept whatever the verdict: what was believed before something was refused stays believed.
 */
export async function follow(
  trust: DeviceTrust,
  fetch: MetadataSource,
  { device, model, running, now: clock }: Following,
): Promise<{ trust: DeviceTrust; checked: Checked }> {
  // The platform's word on the time can only make metadata older (see `latest`); so can what offline keys have signed.
  const now = Math.max(clock, trust.provenAt);
  const director = await refresh(trust.director, (name, most) => fetch(`director/${name}`, most), now);
  const image = await refresh(trust.image, (name, most) => fetch(`image/${name}`, most), now);
  const next = learn({ ...trust, director: director.stored, image: image.stored }, image.verdict);
  if (director.verdict.is === "refuse") return { trust: next, checked: refusedIn("director", director.verdict) };
  if (image.verdict.is === "refuse") return { trust: next, checked: refusedIn("image", image.verdict) };
  const read = readDirection(director.verdict.trusted, { device, hardwareId: model });
  if (read.is === "refuse") return { trust: next, checked: refusedIn("director", read) };
  if (read.direction === undefined) return { trust: next, checked: { is: "nothing" } };
  const source: MetadataSource = (name, most) => fetch(`image/${name}`, most);
  return match(next, { direction: read.direction, trusted: image.verdict.trusted, source, now, running, model });
}

const names = { image: "image repository", director: "director" } as const;

/** Who reads the refusal should know where to look. */
const refusedIn = (repository: "image" | "director", { because, detail }: MetadataRefusal): Refused => ({
  is: "refuse",
  because,
  repository,
  detail: `In the metadata of the ${names[repository]}: ${detail}`,
});

type Matching = {
  direction: Direction;
  trusted: Trusted;
  source: MetadataSource;
  now: number;
  running: string | undefined;
  model: string;
};

async function match(
  trust: DeviceTrust,
  { direction, trusted, source, now, running, model }: Matching,
): Promise<{ trust: DeviceTrust; checked: Checked }> {
  const search = await findTarget(direction.path, { trusted, stored: trust.image, source, now });
  const next: DeviceTrust = { ...trust, image: search.stored };
  if (search.verdict.is === "refuse") return { trust: next, checked: refusedIn("image", search.verdict) };
  const { target } = search.verdict;
  const verdict = agreed(direction, target, model);
  if (verdict.is === "refuse") {
    const checked: Refused =
      verdict.because === "metadata_repositories_disagree" ? { ...verdict, repository: "both" } : refusedIn("image", verdict);
    return { trust: next, checked };
  }
  const { by, path } = target;
  const listing = search.trusted.targets.get(by.role.name);
  const name = path.slice(0, path.lastIndexOf("/"));
  const floors = raiseFloors(next.floors, listing, (one) => one.startsWith(`${name}/`));
  const signers = releaseTrustOf(by);
  const counter = running === undefined ? undefined : counterOf(running, listing);
  const floor = floors[name];
  const checked = {
    is: "directed" as const,
    direction,
    custom: verdict.custom,
    signers,
    ...(floor === undefined ? {} : { floor }),
    ...(counter === undefined ? {} : { runningCounter: counter }),
  };
  return { trust: { ...next, floors, bootKeys: withBootKeys(next.bootKeys, signers.trustedKeys) }, checked };
}

/** Newest last. Old ones go when many rotations lie behind both slots. */
const mostBootKeys = 32;
const withBootKeys = (known: readonly string[], keys: readonly PublicKey[]): string[] =>
  [...new Set([...known.filter((pem) => !keys.some((key) => key.pem === pem)), ...keys.map(({ pem }) => pem)])].slice(
    -mostBootKeys,
  );

/** What even a check that ends badly teaches: floors, and the time of the last offline signature. */
function learn(trust: DeviceTrust, verdict: Refreshed["verdict"]): DeviceTrust {
  if (verdict.is === "refuse") return trust;
  const { root, targets } = verdict.trusted;
  const top = targets.get("targets");
  const signedAt = [root.signed, ...(top ? [top.signed] : [])].map(({ members, expires }) => {
    const at = Date.parse(String(members.signedAt));
    // A signer whose clock ran years ahead must not stop the fleet's.
    return at < expires ? at : 0;
  });
  return { ...trust, floors: raiseFloors(trust.floors, top), provenAt: Math.max(trust.provenAt, ...signedAt) };
}

/**
 * How a device that knows release keys only comes to believe roots: version 1 of both, each signed by itself and vouched for by a release
 * key that the device believes. Undefined where the platform has none, or nobody vouches for them: then release keys go on to count.
 */
export async function adopt(fetch: MetadataSource, releaseKeys: readonly PublicKey[]): Promise<DeviceTrust | undefined> {
  const first = async (repository: "image" | "director") => {
    const bytes = await fetch(`${repository}/1.root.json`, 512_000);
    const opened = bytes && openTrusted(bytes);
    return opened?.is === "trusted" && vouchedBy(opened.trusted.root, releaseKeys) ? opened.trusted.root.text : undefined;
  };
  const image = await first("image");
  const director = image === undefined ? undefined : await first("director");
  return image === undefined || director === undefined ? undefined : beginTrust({ image, director });
}

/** Tells two states of trust apart, so that flash is written only when something was learned. */
export const sameTrust = (a: DeviceTrust | undefined, b: DeviceTrust): boolean => a !== undefined && digest(a) === digest(b);
const digest = (trust: DeviceTrust): string => createHash("sha256").update(JSON.stringify(trust)).digest("hex");
