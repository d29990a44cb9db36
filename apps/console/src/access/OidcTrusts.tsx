import { useQuery } from "@tanstack/react-query";
import { api, type OidcTrust } from "@tenfold/contracts";
import { cli } from "../cli.ts";
import { words } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { ask } from "../queries.ts";

const columns: readonly Column<OidcTrust>[] = [
  { title: "Name", cell: (each) => each.name },
  { title: "Role", cell: (each) => words(each.role) },
  { title: "Issuer", cell: (each) => <code>{each.issuer}</code> },
  {
    title: "Lets in",
    cell: (each) =>
      Object.entries(each.conditions).map(([claim, patterns]) => (
        <div key={claim}>
          {claim} <code>{patterns.join(" or ")}</code>
        </div>
      )),
  },
  { title: "Last used", cell: (each) => (each.lastUsedAt ? <When at={each.lastUsedAt} /> : "never") },
  { title: "State", cell: (each) => (each.revokedAt ? "ended" : "in use") },
];

/** Whose pipelines may sign in by the token of their own CI. */
export function OidcTrusts() {
  const trusts = useQuery(ask(api.listOidcTrusts, {}));
  return (
    <Section title="Pipelines that sign in without a secret">
      <Answer of={trusts}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No pipeline is trusted yet.">
              Jobs of GitHub Actions and GitLab CI can sign in by the token that their runner gives them. Trust one repository, and
              bind it to its tags:
              <CopyLine line={cli.trustPipeline()} label="Copy the command" />
            </Empty>
          ) : (
            <Table label="Trusted pipelines" columns={columns} rows={items} keyOf={(each) => each.id} />
          )
        }
      </Answer>
    </Section>
  );
}
