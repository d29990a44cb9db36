import { useQuery } from "@tanstack/react-query";
import { api, type ProvenanceKey } from "@tenfold/contracts";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { short } from "../format.ts";
import { ActionButton } from "../parts/ActionButton.tsx";
import { Answer } from "../parts/Answer.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { ask } from "../queries.ts";

const columns: readonly Column<ProvenanceKey>[] = [
  { title: "Name", cell: (each) => each.name },
  { title: "Key id", cell: (each) => <code title={each.keyid}>{short(each.keyid, 20)}</code> },
  { title: "Registered", cell: (each) => <When at={each.createdAt} /> },
  {
    title: "State",
    cell: (each) =>
      each.revokedAt ? (
        <>
          revoked <When at={each.revokedAt} />
        </>
      ) : (
        <Revoke of={each} />
      ),
  },
];

/** Builders whose word on how an artifact was made counts. */
export function ProvenanceKeys() {
  const keys = useQuery(ask(api.listProvenanceKeys, {}));
  return (
    <Section title="Builders that may vouch">
      <Answer of={keys}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No builder's key is registered yet.">
              Provenance can be attached all the same; it says then that nobody who is known here vouches for it.
              <CopyLine line={cli.vouch()} label="Copy the command" />
            </Empty>
          ) : (
            <Table label="Builders that may vouch" columns={columns} rows={items} keyOf={(each) => each.keyid} />
          )
        }
      </Answer>
    </Section>
  );
}

function Revoke({ of: { keyid, name } }: { of: ProvenanceKey }) {
  const allowed = useMay(api.revokeProvenanceKey);
  return (
    <ActionButton
      operation={api.revokeProvenanceKey}
      callWith={(reason) => ({ params: { id: keyid }, body: { reason } })}
      verb="Revoke"
      icon="cross"
      title={`Revoke the key of ${name}`}
      cli={cli.unvouch(keyid)}
      allowed={allowed}
      danger
    >
      It vouches for nothing any more, also not for what it vouched for before. This cannot be taken back; the same key is not
      accepted again.
    </ActionButton>
  );
}
