import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Attachment, api, type Release } from "@tenfold/contracts";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { bytes, short } from "../format.ts";
import { ActionButton } from "../parts/ActionButton.tsx";
import { Answer } from "../parts/Answer.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { ask, client } from "../queries.ts";

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
export function Provenance({ release: { id: release, usedAt } }: { release: Release }) {
  const attachments = useQuery(ask(api.listAttachments, { params: { id: release } }));
  const shown: readonly Column<Attachment>[] = [
    ...columns,
    { title: "Take", cell: (each) => <Download of={each} /> },
    ...(usedAt === undefined ? [{ title: "Change", cell: (each: Attachment) => <Detach of={each} /> }] : []),
  ];
  return (
    <Section title="Documents and provenance">
      <Answer of={attachments}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="Nothing is attached.">
              Provenance says from which source and by which builder this image was made; it must name this very artifact.
              <CopyLine line={cli.attach(release)} label="Copy the command" />
            </Empty>
          ) : (
            <Table label="Documents" columns={shown} rows={items} keyOf={(each) => each.id} />
          )
        }
      </Answer>
    </Section>
  );
}

/** The document as it was attached, byte for byte. */
function Download({ of: { id, release, kind } }: { of: Attachment }) {
  const save = async () => {
    const { document: text } = await client.call(api.getAttachment, { params: { id: release, attachment: id } });
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    Object.assign(document.createElement("a"), { href: address, download: `${release}-${kind}.json` }).click();
    URL.revokeObjectURL(address);
  };
  return (
    <Button
      size="xs"
      variant="default"
      onClick={() => void save()}
      aria-label={`Download this ${kind === "sbom" ? "SBOM" : "provenance"}`}
    >
      Download
    </Button>
  );
}

function Detach({ of: { id, release, kind } }: { of: Attachment }) {
  const allowed = useMay(api.detachAttachment);
  return (
    <ActionButton
      operation={api.detachAttachment}
      callWith={() => ({ params: { id: release, attachment: id } })}
      verb="Detach"
      icon="cross"
      title={`Detach this ${kind === "sbom" ? "SBOM" : "provenance"}`}
      cli={cli.detach(release, id)}
      allowed={allowed}
      reason="none"
      danger
    >
      Possible as long as no rollout has used the release. The document can be attached again.
    </ActionButton>
  );
}
