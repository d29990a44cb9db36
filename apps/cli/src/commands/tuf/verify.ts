import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { openFolder } from "../../tuf/folder.ts";
import { examineFolder } from "../../tuf/verify.ts";
import { addVerb, word } from "../../verb.ts";

export function tufVerify(tuf: Command): void {
  addVerb(tuf, {
    usage: "verify <folder>",
    summary: "Checks a signing folder as a device would: every root after the other, thresholds, ends",
    async run(session, given) {
      const states = await examineFolder(await openFolder(word(given, 0)), Date.now());
      const wrong = states.filter(({ fault }) => fault !== undefined);
      if (wrong.length > 0)
        throw cliProblems.not_verified(
          wrong.map(({ repository, role, version, fault }) => `${repository}/${version}.${role}.json: ${fault}`).join("\n"),
        );
      session.out.one({ valid: true, files: states.length }, () => [
        `${states.length} files are signed as they must be, and none has ended.`,
      ]);
    },
  });
}
