import { chmod, writeFile } from "node:fs/promises";
import { generateSigningKey } from "@tenfold/ota";
import type { Command } from "commander";
import { facts } from "../../output.ts";
import { addVerb, word } from "../../verb.ts";

export function artifactKey(artifact: Command): void {
  addVerb(artifact, {
    usage: "key <file>",
    summary: "Makes a signing key: FILE holds the private half (0600), FILE.pub the public one",
    example: "artifact key release-key.pem",
    async run(session, given) {
      const path = word(given, 0);
      const made = generateSigningKey();
      await writeFile(path, made.privateKeyPem, { mode: 0o600, flag: "wx" });
      await chmod(path, 0o600);
      await writeFile(`${path}.pub`, made.publicKeyPem);
      session.out.one({ keyid: made.keyid, privateKey: path, publicKey: `${path}.pub` }, () =>
        facts({
          "key id": made.keyid,
          "private key": `${path} (keep it away from the server)`,
          "public key": `${path}.pub`,
          next: `tenfold release trust ${path}.pub --name "release key"`,
        }),
      );
    },
  });
}
