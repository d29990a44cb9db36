import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { addVerb, text } from "../../verb.ts";

export function auditCommands(program: Command): void {
  const audit = program.command("audit").description("Who changed what");
  addVerb(audit, {
    usage: "search",
    summary: "The audit trail, newest first",
    flags: [
      ["--action <action>", "such as device.suspended"],
      ["--subject <id>", "what was changed"],
      ["--limit <n>", "at most this many", "50"],
    ],
    async run(session, { flags }) {
      const [action, subject] = [text(flags, "action"), text(flags, "subject")];
      const query = { limit: Number(flags.limit), ...(action ? { action } : {}), ...(subject ? { subject } : {}) };
      const { items } = await (await session.client()).call(api.listAudit, { query });
      session.out.list(items, (one) => ({
        seq: one.seq,
        at: one.at,
        who: one.actor.name,
        action: one.action,
        subject: `${one.subject.kind} ${one.subject.id}`,
        detail: JSON.stringify(one.detail),
      }));
    },
  });
  addVerb(audit, {
    usage: "verify",
    summary: "Recomputes the hash chain; fails when an entry was changed or removed",
    async run(session) {
      const found = await (await session.client()).call(api.verifyAudit, {});
      session.out.one(found, () => [
        found.intact
          ? `${found.entries} entries, intact, head ${found.head}.`
          : `BROKEN at entry ${found.brokenAt} of ${found.entries}.`,
      ]);
      if (!found.intact) throw cliProblems.not_verified(`The audit trail is broken at entry ${found.brokenAt}.`);
    },
  });
}
