import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { ago } from "../../output.ts";
import { addVerb, text, word } from "../../verb.ts";

/** `enroll pending|approve|reject|log`: who wants in, and what came of it. */
export function enrollApprovals(enroll: Command): void {
  addVerb(enroll, {
    usage: "pending",
    summary: "Devices that wait for approval",
    async run(session) {
      const { items } = await (await session.client()).call(api.listPendingEnrollments, {});
      session.out.list(items, (one) => ({
        id: one.id,
        serial: one.serial,
        key: one.keyFingerprint.slice(0, 16),
        tries: one.attempts,
        seen: ago(one.lastSeenAt),
      }));
    },
  });
  addVerb(enroll, {
    usage: "approve <id>",
    summary: "Lets a waiting device in",
    async run(session, given) {
      const approved = await (await session.client()).call(api.approveEnrollment, { params: { id: word(given, 0) } });
      session.out.one(approved, () => [`${approved.serial} gets its certificate at its next try.`]);
    },
  });
  addVerb(enroll, {
    usage: "reject <id>",
    summary: "Refuses a waiting device",
    flags: [["--reason <text>", "why, for the attempt log", "rejected on the command line"]],
    async run(session, given) {
      const rejected = await (await session.client()).call(api.rejectEnrollment, {
        params: { id: word(given, 0) },
        body: { reason: text(given.flags, "reason") ?? "rejected" },
      });
      session.out.one(rejected, () => [`${rejected.serial} is refused.`]);
    },
  });
  addVerb(enroll, {
    usage: "log [serial]",
    summary: "The attempt log: which check decided, why, and what to do",
    flags: [["--limit <n>", "at most this many", "50"]],
    async run(session, { words: [serial], flags }) {
      const { items } = await (await session.client()).call(api.listEnrollmentAttempts, {
        query: { limit: Number(flags.limit), ...(serial ? { serial } : {}) },
      });
      session.out.list(items, (one) => ({
        when: ago(one.at),
        serial: one.serial ?? one.device,
        operation: one.operation,
        verdict: one.verdict,
        step: one.step,
        reason: one.reason,
        fix: one.fix,
      }));
    },
  });
}
