import { readFile, writeFile } from "node:fs/promises";
import type { ReleaseStatement, SignedRelease } from "@tenfold/contracts";
import { readPrivateKey, signRelease } from "@tenfold/ota";
import type { Command } from "commander";
import { describeArtifact } from "../../artifact.ts";
import { cliProblems } from "../../exit.ts";
import { openFolder } from "../../tuf/folder.ts";
import { lifetimes } from "../../tuf/roots.ts";
import { listRelease } from "../../tuf/targets.ts";
import { addVerb, type Flags, text, word } from "../../verb.ts";

export const signingFlags: [string, string, string?][] = [
  ["--key <file>", "the private signing key (PEM)"],
  ["--tuf <folder>", "a signing folder (`tuf init`) whose targets keys sign and list the release; in place of --key"],
  ["--security-floor <version>", "with --tuf: from now on no device goes below this version of the same name"],
  ["--version <version>", "the release's version"],
  ["--name <name>", "the release's name", "firmware"],
  ["--models <models>", "models that may run it, with commas; all where left out"],
  ["--hardware <revisions>", "hardware revisions that may run it, with commas; all where left out"],
  ["--min-version <version>", "the oldest version that it may be installed over"],
  ["--must-pass-through <versions>", "versions that older devices install before it, with commas, oldest first"],
];

/** Signs a file as a release, by a key or by a signing folder. Needs no server and no network. */
export async function signFile(path: string, flags: Flags): Promise<SignedRelease> {
  const [key, folder, version] = [text(flags, "key"), text(flags, "tuf"), text(flags, "version")];
  if ((key === undefined && folder === undefined) || version === undefined)
    throw cliProblems.usage("A release needs --version, and --tuf FOLDER or --key FILE.", {
      fix: "Make a signing folder with `tenfold tuf init release-keys`.",
    });
  const statement = await statementOf(path, { flags, version });
  if (folder !== undefined) {
    const floor = text(flags, "securityFloor");
    return (await listRelease(await openFolder(folder), { statement, floor, lifetime: lifetimes.targets })).envelope;
  }
  return signRelease(statement, readPrivateKey(await readFile(key ?? "", "utf8")));
}

async function statementOf(path: string, { flags, version }: { flags: Flags; version: string }): Promise<ReleaseStatement> {
  const minimumVersion = text(flags, "minVersion");
  const [hardwareRevisions, mustPassThrough] = [listOf(flags, "hardware"), listOf(flags, "mustPassThrough")];
  return {
    type: "tenfold.release.v1" as const,
    name: text(flags, "name") ?? "firmware",
    version,
    models: listOf(flags, "models") ?? [],
    ...(hardwareRevisions ? { hardwareRevisions } : {}),
    ...(minimumVersion ? { minimumVersion } : {}),
    ...(mustPassThrough ? { mustPassThrough } : {}),
    artifact: await describeArtifact(path),
    signedAt: new Date().toISOString(),
  };
}

/** A flag's parts; undefined where it was not given. */
const listOf = (flags: Flags, name: string): string[] | undefined =>
  text(flags, name)
    ?.split(",")
    .map((part) => part.trim());

export function artifactSign(artifact: Command): void {
  addVerb(artifact, {
    usage: "sign <file>",
    summary: "Signs a file as a release, on a machine that never talks to the server",
    flags: [...signingFlags, ["--out <file>", "where the signed release goes (else FILE.release.json)"]],
    example: "artifact sign app-2.0.0.bin --key release-key.pem --version 2.0.0",
    async run(session, given) {
      const path = word(given, 0);
      const envelope = await signFile(path, given.flags);
      const out = text(given.flags, "out") ?? `${path}.release.json`;
      await writeFile(out, `${JSON.stringify(envelope, null, 2)}\n`);
      session.out.one({ file: out, envelope }, () => [
        `Signed ${envelope.signed.name} ${envelope.signed.version} (${envelope.signed.artifact.sha256}) into ${out}.`,
      ]);
    },
  });
}
