import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { ago } from "../../output.ts";
import { addVerb, text, word } from "../../verb.ts";

export function groupCommands(program: Command): void {
  const group = program.command("group").description("Groups of devices, by list or by filter");
  addVerb(group, {
    usage: "list",
    summary: "All groups",
    async run(session) {
      const { items } = await (await session.client()).call(api.listGroups, {});
      session.out.list(items, (one) => ({
        id: one.id,
        name: one.name,
        members: one.members,
        filter: one.filter,
        created: ago(one.createdAt),
      }));
    },
  });
  addVerb(group, {
    usage: "create <name>",
    summary: "Makes a group",
    flags: [
      ["--filter <filter>", "who belongs to it, judged anew each time"],
      ["--devices <ids>", "who belongs to it, as a list with commas"],
    ],
    example: "group create berlin --filter 'tag:site=berlin'",
    async run(session, given) {
      const [filter, devices] = [text(given.flags, "filter"), text(given.flags, "devices")?.split(",")];
      const body = {
        name: word(given, 0),
        ...(filter === undefined ? {} : { filter }),
        ...(devices === undefined ? {} : { devices }),
      };
      const made = await (await session.client()).call(api.createGroup, { body });
      session.out.one(made, () => [`Group ${made.name} (${made.id}) has ${made.members} devices.`]);
    },
  });
  addVerb(group, {
    usage: "delete <id>",
    summary: "Removes a group; its devices stay",
    async run(session, given) {
      await session.confirm(`Delete the group ${word(given, 0)}?`);
      const done = await (await session.client()).call(api.deleteGroup, { params: { id: word(given, 0) } });
      session.out.one(done, () => ["Deleted."]);
    },
  });
}
