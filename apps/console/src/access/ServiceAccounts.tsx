import { useQuery } from "@tanstack/react-query";
import { api, type ServiceAccount } from "@tenfold/contracts";
import { words } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { Section } from "../parts/Section.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { ask } from "../queries.ts";

const columns: readonly Column<ServiceAccount>[] = [
  { title: "Name", cell: (each) => each.name },
  { title: "Role", cell: (each) => words(each.role) },
  { title: "Made", cell: (each) => <When at={each.createdAt} /> },
  { title: "Last used", cell: (each) => (each.lastUsedAt ? <When at={each.lastUsedAt} /> : "never") },
  { title: "State", cell: (each) => (each.revokedAt ? "revoked" : "in use") },
];

/** Accounts of programs: they belong to no person, and outlive every one. */
export function ServiceAccounts() {
  const accounts = useQuery(ask(api.listServiceAccounts, {}));
  return (
    <Section title="Service accounts">
      <Answer of={accounts}>
        {({ items }) => <Table label="Service accounts" columns={columns} rows={items} keyOf={(each) => each.id} />}
      </Answer>
    </Section>
  );
}
