import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { cliProblems } from "../../exit.ts";
import { addVerb, text, word } from "../../verb.ts";

/** Messages that were acknowledged and could not be applied: looked at, applied once the cause is mended, or let go. */
export function deadLetterCommands(telemetry: Command): void {
  addVerb(telemetry, {
    usage: "dead-letters",
    summary: "Messages that were acknowledged and could not be applied, newest first",
    flags: [
      ["--device <id>", "of this device only"],
      ["--limit <n>", "at most this many", "100"],
    ],
    example: "telemetry dead-letters --device pump-1 --json",
    async run(session, { flags }) {
      const device = text(flags, "device");
      const query = { limit: Number(text(flags, "limit") ?? 100), ...(device === undefined ? {} : { device }) };
      const { items, nextCursor } = await (await session.client()).call(api.listDeadLetters, { query });
      session.out.list(items, (one) => ({
        id: one.id,
        device: one.device,
        channel: one.channel,
        consumer: one.consumer,
        received: one.receivedAt,
        bytes: one.bytes,
        because: one.because,
      }));
      if (items.length === 0) session.out.note("None: everything that was acknowledged is applied.");
      if (nextCursor !== undefined) session.out.note("There are more; --limit shows up to 1,000.");
    },
  });
  addVerb(telemetry, {
    usage: "apply <dead-letter>",
    summary: "Applies one again, once: when what kept it from being applied was mended",
    async run(session, given) {
      const id = word(given, 0);
      if (session.options.dryRun) return session.out.one({ id }, () => [`${id} would be applied again.`]);
      const answer = await (await session.client()).call(api.applyDeadLetter, { params: { id } });
      if (!answer.applied)
        throw cliProblems.not_verified(`${id} stays where it is: ${answer.because}`, {
          fix: "Mend the cause, or let it go with `tenfold telemetry discard`.",
        });
      session.out.one({ id, ...answer }, () => [`${id} is applied.`]);
    },
  });
  addVerb(telemetry, {
    usage: "discard <dead-letter>",
    summary: "Lets one go for ever; its hash and the reason stay in the audit trail",
    flags: [["--reason <text>", "why; it stands in the audit trail"]],
    async run(session, given) {
      const [id, reason] = [word(given, 0), text(given.flags, "reason")];
      if (reason === undefined) throw cliProblems.usage("A dead letter goes with a reason.", { fix: "Give --reason." });
      if (session.options.dryRun) return session.out.one({ id }, () => [`${id} would be discarded.`]);
      await session.confirm(`This deletes ${id} for good.`);
      const answer = await (await session.client()).call(api.discardDeadLetter, { params: { id }, body: { reason } });
      session.out.one({ id, ...answer }, () => [`${id} is gone.`]);
    },
  });
}
