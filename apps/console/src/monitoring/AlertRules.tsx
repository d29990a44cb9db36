import { useQuery } from "@tanstack/react-query";
import { humanDuration, parseDuration } from "@tenfold/base";
import { type AlertRule, api } from "@tenfold/contracts";
import { percent, words } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { Section } from "../parts/Section.tsx";
import { Status } from "../parts/Status.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { severityLook } from "../parts/tones.ts";
import { ask } from "../queries.ts";

const unknown = { word: "Unknown", icon: "info", tone: "idle" } as const;

const columns: readonly Column<AlertRule>[] = [
  { title: "Rule", cell: (rule) => rule.name },
  { title: "Kind", cell: (rule) => words(rule.kind) },
  { title: "Severity", cell: (rule) => <Status look={severityLook[rule.severity] ?? unknown} /> },
  { title: "Devices", cell: (rule) => (rule.filter ? <code>{rule.filter}</code> : "all") },
  { title: "Share", cell: (rule) => (rule.share === undefined ? "–" : `above ${percent(rule.share)}`), numeric: true },
  { title: "Must hold for", cell: (rule) => humanDuration(parseDuration(rule.hold) ?? 0), numeric: true },
  { title: "State", cell: (rule) => (rule.enabled ? "on" : "off") },
];

export function AlertRules() {
  const rules = useQuery(ask(api.listAlertRules, {}));
  return (
    <Section title="Rules">
      <Answer of={rules}>
        {({ items }) => <Table label="Alert rules" columns={columns} rows={items} keyOf={(rule) => rule.id} />}
      </Answer>
    </Section>
  );
}
