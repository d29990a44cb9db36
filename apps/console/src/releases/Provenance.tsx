import { useQuery } from "@tanstack/react-query";
import { type Attachment, api } from "@tenfold/contracts";
import { bytes, short } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { ask } from "../queries.ts";

const columns: readonly Column<Attachment>[] = [
  { title: "Document", cell: (each) => (each.kind === "sbom" ? "SBOM" : "Provenance") },
  { title: "Format", cell: (each) => each.format },
  { title: "Says", cell: (each) => <Says {...each} /> },
  { title: "Vouched for", cell: (each) => <Vouched {...each} /> },
  {
    title: "Bytes",
    cell: (each) => (
      <>
        {bytes(each.size)} <code title={`SHA-256 ${each.sha256}`}>{short(each.sha256, 10)}</code>
      </>
    ),
  },
  {
    title: "Attached",
    cell: (each) => (
      <>
        <When at={each.createdAt} /> by {each.by}
      </>
    ),
  },
];

function Says({ kind, summary }: Attachment) {
  if (kind === "sbom") return <>{summary.components} components</>;
  return (
    <>
      built by {summary.builder}
      {summary.source && <div style={{ color: "var(--tf-ink-2)" }}>from {summary.source}</div>}
    </>
  );
}

function Vouched({ kind, verifiedBy }: Attachment) {
  if (kind === "sbom") return <>–</>;
  if (verifiedBy.length === 0) return <>by nobody who is known here</>;
  return <>signature holds: {verifiedBy.map((keyid) => short(keyid, 12)).join(", ")}</>;
}

/** The documents of a release, and whose word they are. */
export function Provenance({ release }: { release: string }) {
  const attachments = useQuery(ask(api.listAttachments, { params: { id: release } }));
  return (
    <Section title="Documents and provenance">
      <Answer of={attachments}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="Nothing is attached.">
              Provenance says from which source and by which builder this image was made; it must name this very artifact.
            </Empty>
          ) : (
            <Table label="Documents" columns={columns} rows={items} keyOf={(each) => each.id} />
          )
        }
      </Answer>
    </Section>
  );
}
