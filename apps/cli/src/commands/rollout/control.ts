import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { ago } from "../../output.ts";
import { addVerb, text, word } from "../../verb.ts";
import { describeRollout } from "./describe.ts";

const moves = [
  { verb: "pause", operation: api.pauseRollout, summary: "No new offers; devices that have one go on" },
  { verb: "resume", operation: api.resumeRollout, summary: "Goes on after a pause" },
  {
    verb: "rollback",
    operation: api.rollBackRollout,
    summary: "Halts, and brings devices that took the release back to their last known good one",
  },
] as const;

export function rolloutControl(rollout: Command): void {
  addVerb(rollout, {
    usage: "list",
    summary: "Rollouts, newest first",
    flags: [["--limit <n>", "at most this many", "50"]],
    async run(session, { flags }) {
      const { items } = await (await session.client()).call(api.listRollouts, { query: { limit: Number(flags.limit) } });
      session.out.list(items, (one) => ({
        id: one.id,
        release: one.release.version,
        phase: one.phase,
        targets: one.targets,
        succeeded: one.counts.succeeded ?? 0,
        harmed: one.harmed,
        started: ago(one.createdAt),
      }));
    },
  });
  addVerb(rollout, {
    usage: "show <id>",
    summary: "One rollout with its stages",
    async run(session, given) {
      const one = await (await session.client()).call(api.getRollout, { params: { id: word(given, 0) } });
      session.out.one(one, () => describeRollout(one));
    },
  });
  for (const { verb, operation, summary } of moves) {
    addVerb(rollout, {
      usage: `${verb} <id>`,
      summary,
      flags: [["--reason <text>", "why, for the audit trail", `${verb} on the command line`]],
      async run(session, given) {
        const id = word(given, 0);
        if (session.options.dryRun) return session.out.one({ dryRun: true, rollout: id, verb }, () => [`Would ${verb} ${id}.`]);
        if (verb === "rollback") await session.confirm(`Roll back ${id} on every device that took it?`);
        const changed = await (await session.client()).call(operation, {
          params: { id },
          body: { reason: text(given.flags, "reason") ?? verb },
        });
        session.out.one(changed, () => describeRollout(changed));
      },
    });
  }
}
