import { writeFile } from "node:fs/promises";
import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { facts } from "../../output.ts";
import { addVerb, text } from "../../verb.ts";

export function tufOnline(tuf: Command): void {
  addVerb(tuf, {
    usage: "online",
    summary: "The server's public key, to be carried to the machine where roots are signed",
    flags: [["--out <file>", "where it goes"]],
    async run(session, { flags }) {
      const { online } = await (await session.client()).call(api.getMetadataStatus, {});
      const out = text(flags, "out");
      if (out !== undefined) await writeFile(out, `${JSON.stringify(online, null, 2)}\n`);
      session.out.one(online, () => facts({ "key id": online.keyid, kind: online.key.scheme, file: out }));
    },
  });
}
