import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { ago } from "../../output.ts";
import { addVerb, text, word } from "../../verb.ts";

export function alertCommands(program: Command): void {
  const alert = program.command("alert").description("What is wrong, why, since when, and what next");
  addVerb(alert, {
    usage: "list",
    summary: "Alerts, firing ones first",
    flags: [["--state <state>", "firing or resolved"]],
    async run(session, { flags }) {
      const state = text(flags, "state");
      const query = state === "firing" || state === "resolved" ? ({ state } as const) : {};
      const { items } = await (await session.client()).call(api.listAlerts, { query });
      session.out.list(items, (one) => ({
        id: one.id,
        severity: one.severity,
        state: one.state,
        title: one.title,
        why: one.why,
        since: ago(one.since),
        next: one.next,
      }));
    },
  });
  addVerb(alert, {
    usage: "ack <id>",
    summary: "Says that somebody looks after it",
    async run(session, given) {
      const one = await (await session.client()).call(api.acknowledgeAlert, { params: { id: word(given, 0) } });
      session.out.one(one, () => [`${one.title}: acknowledged by ${one.acknowledgedBy}.`]);
    },
  });
  addVerb(alert, {
    usage: "rules",
    summary: "The rules that make alerts",
    async run(session) {
      const { items } = await (await session.client()).call(api.listAlertRules, {});
      session.out.list(items, (one) => ({
        id: one.id,
        name: one.name,
        kind: one.kind,
        severity: one.severity,
        hold: one.hold,
        enabled: one.enabled ? "yes" : "no",
        filter: one.filter,
      }));
    },
  });
}
