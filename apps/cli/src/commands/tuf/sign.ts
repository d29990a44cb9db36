import { readFile } from "node:fs/promises";
import { signedRelease } from "@tenfold/contracts";
import { addSignatures, signReleaseWith } from "@tenfold/ota";
import { writeFileAtomically } from "@tenfold/pki";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { facts } from "../../output.ts";
import { openFolder, openSigners } from "../../tuf/folder.ts";
import { lifetimes } from "../../tuf/roots.ts";
import { currentTargets, signTargets } from "../../tuf/targets.ts";
import { addVerb, texts, word } from "../../verb.ts";
import { durationOf } from "./init.ts";

export function tufSign(tuf: Command): void {
  addVerb(tuf, {
    usage: "sign <file>",
    summary: "Adds signatures to a file of metadata, or to a signed release, where several people must agree",
    flags: [["--key <key...>", "private key files or pkcs11: URIs"]],
    example: "tuf sign release-keys/image/2.root.json --key /media/stick/second-root.pem",
    async run(session, given) {
      const [file, keys] = [word(given, 0), texts(given.flags, "key")];
      if (keys.length === 0) throw cliProblems.usage("Who signs? Name a key with --key.");
      const before = await readFile(file, "utf8");
      const signers = await openSigners(".", keys);
      const release = signedRelease.safeParse(JSON.parse(before));
      const after = release.success
        ? JSON.stringify(await signReleaseWith(release.data, signers), null, 2)
        : await addSignatures(before, signers);
      await writeFileAtomically(file, `${after}\n`, 0o644);
      const { signatures } = JSON.parse(after) as { signatures: { keyid: string }[] };
      session.out.one({ file, signatures: signatures.map(({ keyid }) => keyid) }, () =>
        facts({ file, signatures: signatures.length }),
      );
    },
  });
}

export function tufRenew(tuf: Command): void {
  addVerb(tuf, {
    usage: "renew <folder>",
    summary: "Signs the list of releases again with a later end, and nothing else changed",
    flags: [["--targets-expires <duration>", "how long it is good for", "90d"]],
    async run(session, given) {
      const folder = await openFolder(word(given, 0));
      const { targets } = await currentTargets(folder);
      const { file } = await signTargets(folder, {
        targets,
        lifetime: durationOf(given.flags, "targetsExpires", lifetimes.targets),
      });
      session.out.one({ file, releases: Object.keys(targets).length }, () =>
        facts({ signed: file, next: `tenfold tuf publish ${folder.path}` }),
      );
    },
  });
}

export function tufDelist(tuf: Command): void {
  addVerb(tuf, {
    usage: "delist <folder> <name/version>",
    summary: "Takes a release off the list: no device installs it any more, whoever owns the server",
    example: "tuf delist release-keys firmware/1.3.0",
    async run(session, given) {
      const folder = await openFolder(word(given, 0));
      const path = word(given, 1);
      const { [path]: gone, ...targets } = (await currentTargets(folder)).targets;
      if (gone === undefined)
        throw cliProblems.usage(`${path} is not listed.`, { fix: "See what is with `tenfold tuf status FOLDER`." });
      const { file } = await signTargets(folder, { targets, lifetime: lifetimes.targets });
      session.out.one({ file, delisted: path }, () =>
        facts({ delisted: path, signed: file, next: `tenfold tuf publish ${folder.path}` }),
      );
    },
  });
}
