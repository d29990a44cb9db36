import { useQuery } from "@tanstack/react-query";
import { type AuditEntry, api } from "@tenfold/contracts";
import { cli } from "../cli.ts";
import { count, short, words } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { ProblemNote } from "../parts/ProblemNote.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { Status } from "../parts/Status.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { pathOfSubject } from "../paths.ts";
import { ask } from "../queries.ts";
import { Page } from "../shell/Page.tsx";
import classes from "./access.module.css";
import { forbidden } from "./forbidden.ts";
import { useMay } from "./session.ts";

const columns: readonly Column<AuditEntry>[] = [
  { title: "No.", cell: (each) => count(each.seq), numeric: true, width: "60px" },
  { title: "When", cell: (each) => <When at={each.at} /> },
  { title: "Who", cell: (each) => `${each.actor.name} (${words(each.actor.kind)})` },
  { title: "What", cell: (each) => <code>{each.action}</code> },
  { title: "To", cell: (each) => <Subject entry={each} /> },
  { title: "Detail", cell: (each) => <DetailWords detail={each.detail} /> },
  {
    title: "Hash",
    cell: (each) => (
      <span className={classes.hash} title={each.hash}>
        {short(each.hash, 8)}
      </span>
    ),
  },
];

/** Who changed what. Nothing can be changed here: each entry's hash covers the one before. */
export function AuditPage() {
  const allowed = useMay(api.listAudit);
  return (
    <Page
      title="Audit"
      name="Audit"
      cli={cli.audit()}
      lead="Every change, newest first. Each entry carries the hash of the one before, so that nothing can be taken out unseen."
    >
      {allowed.allowed ? <Trail /> : <ProblemNote error={forbidden(allowed.because)} />}
    </Page>
  );
}

function Trail() {
  const entries = useQuery({ ...ask(api.listAudit, { query: { limit: 200 } }), refetchInterval: 15_000 });
  return (
    <Section title="Newest first" aside={<Chain />}>
      <Answer of={entries} lines={10}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="Nothing was changed yet." />
          ) : (
            <Table label="Audit trail" columns={columns} rows={items} keyOf={(each) => String(each.seq)} />
          )
        }
      </Answer>
    </Section>
  );
}

function Chain() {
  const { data } = useQuery({ ...ask(api.verifyAudit, {}), staleTime: 60_000 });
  if (data === undefined) return null;
  return data.intact ? (
    <Status look={{ word: `Chain of ${count(data.entries)} entries intact`, icon: "online", tone: "ok" }} />
  ) : (
    <Status look={{ word: `Chain broken at entry ${count(data.brokenAt ?? 0)}`, icon: "halted", tone: "bad" }} />
  );
}

function Subject({ entry }: { entry: AuditEntry }) {
  const path = pathOfSubject(entry.subject);
  const name = `${words(entry.subject.kind)} ${entry.subject.id}`;
  return path === undefined ? name : <AppLink to={path}>{name}</AppLink>;
}

function DetailWords({ detail }: { detail: AuditEntry["detail"] }) {
  const parts = Object.entries(detail).map(
    ([name, value]) => `${words(name)}: ${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return parts.length === 0 ? "–" : parts.join(" · ");
}
