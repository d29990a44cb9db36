import { useQuery } from "@tanstack/react-query";
import { api, type SigningKey } from "@tenfold/contracts";
import { short } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { ask } from "../queries.ts";

const columns: readonly Column<SigningKey>[] = [
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
        "in use"
      ),
  },
];

export function SigningKeys() {
  const keys = useQuery(ask(api.listSigningKeys, {}));
  return (
    <Section title="Signing keys">
      <Answer of={keys}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No signing key is registered yet.">Without one, no release is accepted.</Empty>
          ) : (
            <Table label="Signing keys" columns={columns} rows={items} keyOf={(each) => each.keyid} />
          )
        }
      </Answer>
    </Section>
  );
}
