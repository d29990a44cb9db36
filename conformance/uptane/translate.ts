import type { ReleaseStatement } from "../../packages/contracts/src/index.ts";
import { mostBytes, type TargetFile } from "../../packages/ota/src/tuf/metadata.ts";
import { makeSnapshot, makeTimestamp, metadataSigner, metaFileOf, signMetadata } from "../../packages/ota/src/tuf/sign.ts";
import { statementHash } from "../../packages/ota/src/tuf/uptane.ts";
import {
  eachMember,
  type Members,
  membersOf,
  type OldFile,
  type SuiteKey,
  type SuiteKeys,
  signAnew,
  translateMeta,
  translateSigned,
} from "./dialect.ts";

/** A repository in one step of a vector, as the suite's generator made it. */
export type OldRepository = {
  /** By name, without `.json`: `1.root`, `targets`, and the delegated roles' names. */
  readonly files: Readonly<Record<string, OldFile>>;
  /** What lies behind the targets, in Base64. */
  readonly contents: Readonly<Record<string, string>>;
  /** What the suite's client calls the faults that are to be found; empty where all is well. */
  readonly errors: readonly string[];
};
export type OldStep = { readonly director: OldRepository; readonly image: OldRepository };

export type Translation = {
  readonly keys: SuiteKeys;
  /** Signs the timestamp and the snapshot that the old directors had none of: a key that no vector gives to a director. */
  readonly spare: SuiteKey;
  readonly device: string;
};

/** Both repositories in today's form, by the addresses at which a device asks: `director/1.root.json`. `index` counts the steps from 0. */
export async function translateStep(
  { director, image }: OldStep,
  index: number,
  translation: Translation,
): Promise<ReadonlyMap<string, string>> {
  const folders = { director: await directorFiles(director, index, translation), image: imageFiles(image, translation) };
  return new Map(
    Object.entries(folders).flatMap(([folder, files]) =>
      [...files].map(([name, file]) => [`${folder}/${name}.json`, file] as const),
    ),
  );
}

function imageFiles({ files }: OldRepository, { keys }: Translation): Map<string, string> {
  const texts = new Map<string, string>();
  const named = (meta: Members, file: string) => {
    const name = file.replace(/\.json$/, "");
    return [file, translateMeta(meta, files[name], texts.get(name))] as const;
  };
  for (const name of signingOrder(Object.keys(files))) {
    const file = fileAt(files, name);
    const { targets, meta, ...rest } = translateSigned(file.signed, keys);
    const listed = targets === undefined ? {} : { targets: eachMember(targets, imageTarget), ...ballast(file) };
    texts.set(name, signAnew(file, { ...rest, ...listed, ...(meta === undefined ? {} : { meta: eachMember(meta, named) }) }, keys));
  }
  return texts;
}

/** Who names others comes after them. */
const signingOrder = (names: readonly string[]): string[] => {
  const late = ["snapshot", "timestamp"].filter((name) => names.includes(name));
  return [...names.filter((name) => !late.includes(name)), ...late];
};

async function directorFiles({ files }: OldRepository, index: number, { keys, spare, device }: Translation) {
  const texts = new Map<string, string>();
  for (const name of Object.keys(files)) {
    const file = fileAt(files, name);
    const signed = translateSigned(file.signed, keys);
    const own = { deviceId: device, targets: eachMember(signed.targets, directorTarget), ...ballast(file) };
    texts.set(name, signAnew(file, name === "targets" ? { ...signed, ...own } : withSpare(signed, spare), keys));
  }
  // The version of a step's own files: newer in each step, so that nothing but the vector's own files can be a step back.
  const common = { version: index + 1, expires: Date.UTC(2038, 0, 19) };
  const signers = [metadataSigner(spare.privateKey)];
  const meta = { "targets.json": { version: Number(fileAt(files, "targets").signed.version) } };
  const snapshot = await signMetadata(makeSnapshot({ ...common, meta }), signers);
  const timestamp = await signMetadata(makeTimestamp({ ...common, snapshot: metaFileOf(snapshot, index + 1) }), signers);
  return texts.set("snapshot", snapshot).set("timestamp", timestamp);
}

function fileAt(files: OldRepository["files"], name: string): OldFile {
  const file = files[name];
  if (file === undefined) throw new Error(`The vector has no ${name}.`);
  return file;
}

/** Today's director has the two roles that the old one left out. */
function withSpare(root: Members, { id, key }: SuiteKey): Members {
  const role = { keyids: [id], threshold: 1 };
  return {
    ...root,
    keys: { ...membersOf(root.keys), [id]: key },
    roles: { ...membersOf(root.roles), snapshot: role, timestamp: role },
  };
}

/** Where the suite's client ends a file of targets for its size. */
const oldMostBytes = 8 * 1_024 * 1_024;
/** The standard leaves that size to the client: what was too large for the suite's is made too large for ours. */
const ballast = (file: OldFile): Members =>
  JSON.stringify(file).length > oldMostBytes ? { ballast: "x".repeat(mostBytes.targets) } : {};

/** What a release that is listed like this says of itself. */
export function statementOf(path: string, { length, hashes }: TargetFile, models: readonly string[]): ReleaseStatement {
  const artifact = { sha256: hashes.sha256 ?? "", size: length };
  return {
    type: "tenfold.release.v1",
    name: path,
    version: "1.0.0",
    models: [...models],
    artifact,
    signedAt: "2017-01-01T00:00:00Z",
  };
}

function imageTarget(target: Members, path: string) {
  const { hardwareIds } = membersOf(target.custom);
  const models = Array.isArray(hardwareIds) ? hardwareIds.map(String) : [];
  // A vector's target has a length and hashes: the suite's generator writes no other.
  const statement = statementHash(statementOf(path, target as TargetFile, models));
  return [path, { ...target, custom: { hardwareIds: models, releaseCounter: 1, statement } }] as const;
}

function directorTarget(target: Members, path: string) {
  const [[ecuIdentifier, ecu] = ["", {}]] = Object.entries(membersOf(membersOf(target.custom).ecuIdentifiers));
  const custom = { ...membersOf(ecu), ecuIdentifier, releaseCounter: 1, deployment: "vector", rollback: false };
  return [path, { ...target, custom }] as const;
}
