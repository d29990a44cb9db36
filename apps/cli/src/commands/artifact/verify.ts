import { readFile } from "node:fs/promises";
import { signedRelease } from "@tenfold/contracts";
import { readPublicKey, verifyRelease } from "@tenfold/ota";
import type { Command } from "commander";
import { describeArtifact } from "../../artifact.ts";
import { cliProblems } from "../../exit.ts";
import { addVerb, text, word } from "../../verb.ts";

export function artifactVerify(artifact: Command): void {
  addVerb(artifact, {
    usage: "verify <file>",
    summary: "Checks a file against its signed release and a public key, as a device does",
    flags: [
      ["--release <file>", "the signed release (else FILE.release.json)"],
      ["--key <file>", "the public key (PEM)"],
    ],
    async run(session, given) {
      const path = word(given, 0);
      const keyPath = text(given.flags, "key");
      if (keyPath === undefined) throw cliProblems.usage("Which key should have signed it? Name its public half with --key.");
      const envelope = signedRelease.parse(
        JSON.parse(await readFile(text(given.flags, "release") ?? `${path}.release.json`, "utf8")),
      );
      const verdict = verifyRelease(envelope, { trustedKeys: [readPublicKey(await readFile(keyPath, "utf8"))], threshold: 1 });
      const found = await describeArtifact(path);
      const same = found.sha256 === envelope.signed.artifact.sha256 && found.size === envelope.signed.artifact.size;
      if (verdict.is === "refuse") throw cliProblems.not_verified(`The signature does not hold: ${verdict.because}.`);
      if (!same)
        throw cliProblems.not_verified(
          `The file is not the one that was signed: ${found.sha256} against ${envelope.signed.artifact.sha256}.`,
        );
      session.out.one({ valid: true, ...envelope.signed }, () => [
        `${path} is ${envelope.signed.name} ${envelope.signed.version}, as signed at ${envelope.signed.signedAt}.`,
      ]);
    },
  });
}
