import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { ago } from "../../output.ts";
import { allItems } from "../../pages.ts";
import { addVerb, text, word } from "../../verb.ts";
import { describeCommand } from "./describe.ts";
import { commandRun } from "./run.ts";

export function commandCommands(program: Command): void {
  const command = program.command("command").description("Tell devices to do something, and see that they did");
  commandRun(command);
  addVerb(command, {
    usage: "list [device]",
    summary: "Commands, newest first",
    flags: [
      ["--state <state>", "queued, sent, delivered, succeeded, failed, refused, expired or cancelled"],
      ["--batch <id>", "those that were given at once"],
      ["--limit <n>", "at most this many", "50"],
    ],
    example: "command list quiet-otter-17 --state expired",
    async run(session, { words: [device], flags }) {
      const client = await session.client();
      const query = { device, batch: text(flags, "batch"), state: text(flags, "state") };
      const given = Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
      const commands = await allItems(Number(flags.limit), (page) =>
        client.call(api.listCommands, { query: { ...page, ...given } }),
      );
      session.out.list(commands, (one) => ({
        id: one.id,
        device: one.device,
        name: one.name,
        state: one.state,
        given: ago(one.createdAt),
        by: one.givenBy,
        because: one.because,
      }));
    },
  });
  addVerb(command, {
    usage: "show <id>",
    summary: "One command on one device: how far it is, and why",
    async run(session, given) {
      const one = await (await session.client()).call(api.getCommand, { params: { id: word(given, 0) } });
      session.out.one(one, () => describeCommand(one));
    },
  });
  addVerb(command, {
    usage: "cancel <id>",
    summary: "Takes a command back; a device that has it may still do it",
    flags: [["--reason <text>", "why, for the audit trail", "asked for on the command line"]],
    async run(session, given) {
      const id = word(given, 0);
      if (session.options.dryRun) return session.out.one({ dryRun: true, command: id }, () => [`Would cancel ${id}.`]);
      const reason = text(given.flags, "reason") ?? "cancelled";
      const one = await (await session.client()).call(api.cancelCommand, { params: { id }, body: { reason } });
      session.out.one(one, () => describeCommand(one));
    },
  });
}
