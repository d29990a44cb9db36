import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type ReleaseStatement, type SignedRelease, signedRelease } from "@tenfold/contracts";
import {
  type ImageCustom,
  inspectMetadata,
  makeTargets,
  signMetadata,
  signReleaseWith,
  statementHash,
  type TargetFile,
  targetNamePattern,
  targetPath,
} from "@tenfold/ota";
import { cliProblems } from "../exit.ts";
import { newestOf, openSigners, type SigningFolder, writeSigned } from "./folder.ts";

type Listing = { version: number; targets: Record<string, TargetFile> };

/** What the newest targets file lists. */
export async function currentTargets(folder: SigningFolder): Promise<Listing> {
  const file = await newestOf(folder, "image", "targets");
  if (file === undefined) return { version: 0, targets: {} };
  const read = inspectMetadata(file.text, "targets");
  if (read.is === "refuse") throw cliProblems.not_verified(`${file.name}: ${read.detail}`);
  return { version: file.version, targets: Object.fromEntries(read.envelope.signed.targets) };
}

/** Signs the next targets file with the folder's targets keys, and writes it. */
export async function signTargets(
  folder: SigningFolder,
  {
    targets,
    lifetime,
    keys = folder.settings.targets,
  }: { targets: Record<string, TargetFile>; lifetime: number; keys?: readonly string[] },
): Promise<{ file: string; version: number }> {
  const { version: before } = await currentTargets(folder);
  const version = before + 1;
  const now = Date.now();
  const signers = await openSigners(folder.path, keys);
  const text = await signMetadata(makeTargets({ version, expires: now + lifetime, signedAt: now, targets }), signers);
  return { file: await writeSigned(folder, `image/${version}.targets.json`, text), version };
}

const envelopePlace = ({ name, version }: { name: string; version: string }) => `releases/${name}-${version}.release.json`;

export type Listed = { envelope: SignedRelease; path: string; targets: string; envelopeFile: string; changed: boolean };

/**
 * Signs a release and lists it, in one go. A release that is listed with the same bytes stays as it is, so that a pipeline may run twice; other
 * bytes under its name are refused.
 */
export async function listRelease(
  folder: SigningFolder,
  { statement, floor, lifetime }: { statement: ReleaseStatement; floor: string | undefined; lifetime: number },
): Promise<Listed> {
  const path = nameable(statement);
  const { targets } = await currentTargets(folder);
  const known = targets[path];
  if (known) return alreadyListed(folder, { statement, known, path });
  const signers = await openSigners(folder.path, folder.settings.targets);
  const envelope = await signReleaseWith(statement, signers);
  const custom: ImageCustom = {
    hardwareIds: statement.models,
    releaseCounter: nextCounter(targets, statement.name),
    statement: statementHash(statement),
    ...(floor === undefined ? {} : { securityFloor: floor }),
  };
  const { sha256, size } = statement.artifact;
  const target: TargetFile = { length: size, hashes: { sha256 }, custom: { ...custom } };
  // The envelope first: a listing without it could not be used.
  const envelopeFile = await writeSigned(folder, envelopePlace(statement), JSON.stringify(envelope, null, 2));
  const { file } = await signTargets(folder, { targets: { ...targets, [path]: target }, lifetime });
  return { envelope, path, targets: file, envelopeFile, changed: true };
}

/** Every listed release under the folder's keys of today as well; publishing sends them. */
export async function signReleasesAnew(folder: SigningFolder, paths: readonly string[]): Promise<void> {
  const signers = await openSigners(folder.path, folder.settings.targets);
  for (const path of paths) {
    const envelope = await envelopeOf(folder, path);
    if (envelope)
      await writeSigned(folder, envelopePlace(envelope.signed), JSON.stringify(await signReleaseWith(envelope, signers), null, 2));
  }
}

/** The signed release of a listed path, if it was signed in this folder. */
export async function envelopeOf(folder: SigningFolder, path: string): Promise<SignedRelease | undefined> {
  const [name = "", version = ""] = path.split("/");
  const text = await readFile(join(folder.path, envelopePlace({ name, version })), "utf8").catch(() => undefined);
  return text === undefined ? undefined : signedRelease.parse(JSON.parse(text));
}

function nameable(statement: ReleaseStatement): string {
  const wrong = [statement.name, statement.version].find((word) => !targetNamePattern.test(word));
  if (wrong !== undefined)
    throw cliProblems.usage(`"${wrong}" cannot be part of a target's path.`, {
      fix: "Names and versions have letters, digits and . _ + ~ -.",
    });
  return targetPath(statement);
}

async function alreadyListed(
  folder: SigningFolder,
  { statement, known, path }: { statement: ReleaseStatement; known: TargetFile; path: string },
): Promise<Listed> {
  if (known.hashes.sha256 !== statement.artifact.sha256)
    throw cliProblems.not_verified(`${path} is listed with other bytes. Releases never change.`, {
      fix: "Give the new one its own version.",
    });
  const place = envelopePlace(statement);
  const envelope = signedRelease.parse(JSON.parse(await readFile(join(folder.path, place), "utf8")));
  const newest = await newestOf(folder, "image", "targets");
  return {
    envelope,
    path,
    targets: join(folder.path, "image", newest?.name ?? ""),
    envelopeFile: join(folder.path, place),
    changed: false,
  };
}

function nextCounter(targets: Record<string, TargetFile>, name: string): number {
  const counters = Object.entries(targets).flatMap(([path, { custom }]) =>
    path.startsWith(`${name}/`) && typeof custom?.releaseCounter === "number" ? [custom.releaseCounter] : [],
  );
  return Math.max(0, ...counters) + 1;
}
