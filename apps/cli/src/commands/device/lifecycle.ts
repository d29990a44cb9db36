import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { addVerb, text, word } from "../../verb.ts";

const moves = [
  {
    verb: "suspend",
    operation: api.suspendDevice,
    summary: "Refuses a device and closes its connections, until it is resumed",
    ends: "is suspended",
  },
  {
    verb: "quarantine",
    operation: api.quarantineDevice,
    summary: "Suspends a device that is suspected of being taken over",
    ends: "is quarantined",
  },
  {
    verb: "resume",
    operation: api.resumeDevice,
    summary: "Lets a suspended or quarantined device in again",
    ends: "is active again",
  },
  {
    verb: "retire",
    operation: api.retireDevice,
    summary: "Revokes a device's identity for ever and keeps its history",
    ends: "is retired",
  },
] as const;

/** `device suspend|quarantine|resume|retire`: the same act with four names. */
export function deviceLifecycle(device: Command): void {
  for (const { verb, operation, summary, ends } of moves) {
    addVerb(device, {
      usage: `${verb} <id>`,
      summary,
      flags: [["--reason <text>", "why, for the audit trail", `asked for on the command line`]],
      example: `device ${verb} quiet-otter-17 --reason "stolen from the van"`,
      async run(session, given) {
        const id = word(given, 0);
        if (session.options.dryRun) return session.out.one({ dryRun: true, device: id, verb }, () => [`Would ${verb} ${id}.`]);
        if (verb === "retire") await session.confirm(`Retire ${id}? Its identity is revoked for ever.`);
        const client = await session.client();
        const changed = await client.call(operation, { params: { id }, body: { reason: text(given.flags, "reason") ?? verb } });
        session.out.one(changed, () => [`${id} ${ends}.`]);
      },
    });
  }
}
