import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { ago } from "../../output.ts";
import { addVerb, text, word } from "../../verb.ts";
import { exportLog } from "./log.ts";

const verdicts = ["issued", "pending", "refused"] as const;

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
    flags: [
      ["--limit <n>", "at most this many", "50"],
      ["--verdict <verdict>", "issued, pending or refused"],
      ["--because <code>", "such as issuer_unknown"],
      ["--export", "all of it, sealed, one JSON object a line; `enroll verify` checks it"],
    ],
    example: "enroll log --export > log.jsonl",
    async run(session, { words: [serial], flags }) {
      if (flags.export === true) return exportLog(session);
      const [verdict, because] = [verdicts.find((one) => one === flags.verdict), text(flags, "because")];
      const { items } = await (await session.client()).call(api.listEnrollmentAttempts, {
        query: {
          limit: Number(flags.limit),
          ...(serial ? { serial } : {}),
          ...(verdict ? { verdict } : {}),
          ...(because ? { because } : {}),
        },
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
