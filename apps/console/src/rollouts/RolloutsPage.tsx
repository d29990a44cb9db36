import { useQuery } from "@tanstack/react-query";
import { api, type Rollout } from "@tenfold/contracts";
import { cli } from "../cli.ts";
import { count } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { Status } from "../parts/Status.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { phaseLook } from "../parts/tones.ts";
import { When } from "../parts/When.tsx";
import { paths } from "../paths.ts";
import { ask } from "../queries.ts";
import { Page } from "../shell/Page.tsx";
import { MiniLadder } from "./MiniLadder.tsx";
import { StartLink } from "./StartLink.tsx";

const columns: readonly Column<Rollout>[] = [
  { title: "Stages", cell: (each) => <MiniLadder rollout={each} />, width: "110px" },
  {
    title: "Release",
    cell: (each) => (
      <AppLink to={paths.rollout(each.id)} style={{ whiteSpace: "nowrap" }}>
        {each.release.name} {each.release.version}
      </AppLink>
    ),
  },
  { title: "Phase", cell: (each) => <Status look={phaseLook[each.phase]} /> },
  { title: "Because", cell: (each) => each.because },
  { title: "Targets", cell: (each) => count(each.targets), numeric: true },
  { title: "Verified", cell: (each) => count(each.counts.succeeded ?? 0), numeric: true },
  { title: "Harmed", cell: (each) => count(each.harmed), numeric: true },
  { title: "Since", cell: (each) => <When at={each.since} /> },
];

/** Every rollout, newest first. */
export function RolloutsPage() {
  const rollouts = useQuery(ask(api.listRollouts, { query: { limit: 200 } }));
  return (
    <Page
      title="Rollouts"
      name="Rollouts"
      cli={cli.rollouts()}
      lead="A release reaches a canary first. Each stage must pass its gate before the next begins; a bad one is halted and taken back."
      actions={<StartLink />}
    >
      <Section title="Newest first">
        <Answer of={rollouts}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="No rollout yet.">
                <p>
                  <AppLink to={paths.releases()}>Register a signed release</AppLink>, then start a rollout here, or:
                </p>
                <CopyLine line={cli.startRollout("")} label="Copy the command" />
              </Empty>
            ) : (
              <Table label="Rollouts" columns={columns} rows={items} keyOf={(each) => each.id} />
            )
          }
        </Answer>
      </Section>
    </Page>
  );
}
