import { humanDuration } from "@tenfold/base";
import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { openFolder } from "../../tuf/folder.ts";
import { examineFolder } from "../../tuf/verify.ts";
import { addVerb, word } from "../../verb.ts";

export function tufStatus(tuf: Command): void {
  addVerb(tuf, {
    usage: "status [folder]",
    summary: "Versions, ends and signatures: of the server, or of a signing folder",
    async run(session, given) {
      const now = Date.now();
      const path = word(given, 0);
      if (path === "") {
        const status = await (await session.client()).call(api.getMetadataStatus, {});
        const rows = (["image", "director"] as const).flatMap((repository) =>
          status[repository].roles.map((one) => ({ repository, ...one, ends: until(Date.parse(one.expires), now) })),
        );
        if (rows.length === 0)
          session.out.note("No metadata is published yet: `tenfold tuf init FOLDER`, then `tenfold tuf publish FOLDER`.");
        session.out.list(rows, ({ repository, role, version, ends, threshold, keyids }) => ({
          repository,
          role,
          version,
          ends,
          keys: keyids === undefined ? "" : `${threshold} of ${keyids.length}`,
        }));
        return;
      }
      const states = await examineFolder(await openFolder(path), now);
      session.out.list(states, ({ repository, role, version, expires, signed, needed, fault }) => ({
        repository,
        role,
        version,
        ends: until(expires, now),
        signed: `${signed} of ${needed}`,
        wrong: fault ?? "",
      }));
    },
  });
}

const until = (at: number, now: number): string =>
  at <= now ? `ended ${humanDuration(now - at)} ago` : `in ${humanDuration(at - now)}`;
