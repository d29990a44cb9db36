import { createPublicKey } from "node:crypto";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { generateSigningKey, inspectMetadata, type MetadataSigner, metadataSignerWith, type TufKey } from "@tenfold/ota";
import { kindOfKeyUri, openKey, writeFileAtomically } from "@tenfold/pki";
import { z } from "zod";
import { cliProblems } from "../exit.ts";

export type Repository = "image" | "director";

/** Which keys sign what: files of the folder, other files, or `pkcs11:` URIs. `unsigned` roles wait for somebody else's. */
const settings = z.strictObject({
  root: z.array(z.string()),
  targets: z.array(z.string()),
  directorRoot: z.array(z.string()),
});
export type Settings = z.infer<typeof settings>;

/** A folder that never meets the server: keys, and every version of what they signed. */
export type SigningFolder = { readonly path: string; readonly settings: Settings };
export type SignedFile = { readonly name: string; readonly version: number; readonly text: string };

export async function openFolder(path: string): Promise<SigningFolder> {
  const text = await readFile(join(path, "tuf.json"), "utf8").catch((cause: unknown) => {
    throw cliProblems.usage(`${path} is no signing folder: it has no tuf.json.`, {
      cause,
      fix: `Make one with \`tenfold tuf init ${path}\`.`,
    });
  });
  return { path, settings: settings.parse(JSON.parse(text)) };
}

export async function createFolder(path: string, given: Settings): Promise<SigningFolder> {
  await mkdir(join(path, "keys"), { recursive: true, mode: 0o700 });
  await chmod(path, 0o700);
  if ((await readdir(path)).includes("tuf.json"))
    throw cliProblems.usage(`${path} is a signing folder already.`, {
      fix: "Name another folder; roots and keys are never written over.",
    });
  for (const repository of ["image", "director"]) await mkdir(join(path, repository), { recursive: true });
  await saveSettings(path, given);
  return { path, settings: given };
}

export const saveSettings = (path: string, next: Settings): Promise<void> =>
  writeFileAtomically(join(path, "tuf.json"), `${JSON.stringify(next, null, 2)}\n`, 0o644);

/** Makes a key below `keys/` and answers how it is named in the settings. */
export async function makeKey(path: string, name: string): Promise<string> {
  const made = generateSigningKey();
  await writeFile(join(path, "keys", `${name}.pem`), made.privateKeyPem, { mode: 0o600, flag: "wx" });
  await writeFile(join(path, "keys", `${name}.pem.pub`), made.publicKeyPem);
  return `keys/${name}.pem`;
}

/** Signers for keys as the settings or a flag name them; a token is asked for, a file must be its owner's alone. */
export function openSigners(path: string, uris: readonly string[]): Promise<MetadataSigner[]> {
  return Promise.all(
    uris.map(async (uri) => {
      const place = kindOfKeyUri(uri) === "file" && !isAbsolute(uri) && uri.startsWith("keys/") ? join(path, uri) : uri;
      const signer = await openKey(place);
      const publicHalf = createPublicKey({ key: signer.publicKey.der, format: "der", type: "spki" });
      return metadataSignerWith(publicHalf, (bytes) => signer.sign(Buffer.from(bytes)));
    }),
  );
}

/** Every version of a role, oldest first. */
export async function versionsOf({ path }: SigningFolder, repository: Repository, role: string): Promise<SignedFile[]> {
  const names = await readdir(join(path, repository)).catch(() => []);
  const found = names.flatMap((name) => {
    const version = new RegExp(`^(\\d+)\\.${role}\\.json$`).exec(name)?.[1];
    return version === undefined ? [] : [{ name, version: Number(version) }];
  });
  const sorted = found.toSorted((a, b) => a.version - b.version);
  return Promise.all(
    sorted.map(async (one) => ({ ...one, text: (await readFile(join(path, repository, one.name), "utf8")).trim() })),
  );
}

export const newestOf = async (folder: SigningFolder, repository: Repository, role: string): Promise<SignedFile | undefined> =>
  (await versionsOf(folder, repository, role)).at(-1);

export async function newestRoot(folder: SigningFolder, repository: Repository) {
  const file = await newestOf(folder, repository, "root");
  const read = file && inspectMetadata(file.text, "root");
  if (file === undefined || read?.is !== "read")
    throw cliProblems.usage(`${join(folder.path, repository)} has no root that can be read.`, {
      fix: "Restore the folder from its copy.",
    });
  return { ...file, signed: read.envelope.signed };
}

export const writeSigned = async ({ path }: SigningFolder, where: string, text: string): Promise<string> => {
  const place = join(path, where);
  await writeFileAtomically(place, `${text}\n`, 0o644);
  return place;
};

/** The server's own key, as `tenfold tuf online` wrote it. */
export const onlineKey = z.strictObject({
  keyid: z.string(),
  key: z.strictObject({ keytype: z.string(), scheme: z.string(), keyval: z.strictObject({ public: z.string() }) }),
});
export const readOnlineKey = async (file: string): Promise<TufKey> => onlineKey.parse(JSON.parse(await readFile(file, "utf8"))).key;
