import { api, role, roles } from "@tenfold/contracts";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { ago, facts } from "../../output.ts";
import { addVerb, text, word } from "../../verb.ts";
import { trustCommands } from "./trust.ts";

export function accountCommands(program: Command): void {
  const account = program.command("account").description("Programs that use the API: service accounts, and pipelines that sign in");
  trustCommands(account);
  addVerb(account, {
    usage: "list",
    summary: "All service accounts",
    async run(session) {
      const { items } = await (await session.client()).call(api.listServiceAccounts, {});
      session.out.list(items, (one) => ({
        id: one.id,
        name: one.name,
        role: one.role,
        used: ago(one.lastUsedAt),
        revoked: one.revokedAt ? "yes" : "",
      }));
    },
  });
  addVerb(account, {
    usage: "create <name>",
    summary: "Makes a service account; its token is shown only now",
    flags: [["--role <role>", roles.join(", "), "viewer"]],
    async run(session, given) {
      const wanted = role.safeParse(text(given.flags, "role"));
      if (!wanted.success) throw cliProblems.usage(`"${given.flags.role}" is not a role.`, { fix: `One of: ${roles.join(", ")}.` });
      const made = await (await session.client()).call(api.createServiceAccount, {
        body: { name: word(given, 0), role: wanted.data },
      });
      session.out.one(made, () => facts({ account: made.id, name: made.name, role: made.role, token: made.token }));
    },
  });
  addVerb(account, {
    usage: "revoke <id>",
    summary: "Its token stops working now",
    async run(session, given) {
      await session.confirm(`Revoke ${word(given, 0)}?`);
      const one = await (await session.client()).call(api.revokeServiceAccount, { params: { id: word(given, 0) } });
      session.out.one(one, () => [`${one.name} is revoked.`]);
    },
  });
}
