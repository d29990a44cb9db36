import { useQuery } from "@tanstack/react-query";
import { api, type Release } from "@tenfold/contracts";
import { cli } from "../cli.ts";
import { bytes, count, short } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { paths } from "../paths.ts";
import { ask } from "../queries.ts";
import { StartLink } from "../rollouts/StartLink.tsx";
import { Page } from "../shell/Page.tsx";
import { ProvenanceKeys } from "./ProvenanceKeys.tsx";
import { SigningKeys } from "./SigningKeys.tsx";

const columns: readonly Column<Release>[] = [
  {
    title: "Release",
    cell: (each) => (
      <>
        <AppLink to={paths.release(each.id)} style={{ whiteSpace: "nowrap" }}>
          <strong>{each.name}</strong> <code>{each.version}</code>
        </AppLink>
        {each.retired && " (retired)"}
        {each.notes && <div style={{ color: "var(--tf-ink-2)" }}>{each.notes.split("\n", 1)[0]}</div>}
      </>
    ),
  },
  { title: "Channel", cell: (each) => each.channel },
  { title: "Models", cell: (each) => each.models.join(", ") || "any" },
  {
    title: "Artifact",
    cell: (each) => (
      <>
        {bytes(each.artifact.size)} <code title={`SHA-256 ${each.artifact.sha256}`}>{short(each.artifact.sha256, 10)}</code>
      </>
    ),
  },
  {
    title: "Signed by",
    cell: (each) =>
      each.signedBy.length === 0
        ? "nobody known"
        : each.signedBy.map((keyid) => (
            <code key={keyid} title={keyid}>
              {short(keyid, 10)}
            </code>
          )),
  },
  {
    title: "Running it",
    cell: (each) => <AppLink to={paths.devices({ filter: `fw:${each.version}` })}>{count(each.devices)}</AppLink>,
    numeric: true,
  },
  { title: "Registered", cell: (each) => <When at={each.createdAt} /> },
  { title: "Use", cell: (each) => (each.retired ? "–" : <StartLink release={each.id} word="Roll out" />) },
];

/** What can be rolled out, who signed it, and where it runs. */
export function ReleasesPage() {
  const releases = useQuery(ask(api.listReleases, { query: { limit: 200 } }));
  return (
    <Page
      title="Releases"
      name="Releases"
      cli={cli.releases()}
      lead="A release is an artifact with a signature that every device checks. The private key stays with the signer; this server never holds it."
    >
      <Section title="Newest first">
        <Answer of={releases}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="No release yet.">
                Sign an artifact on your own machine and register it:
                <CopyLine line={cli.createRelease()} label="Copy the command" />
              </Empty>
            ) : (
              <Table label="Releases" columns={columns} rows={items} keyOf={(each) => each.id} />
            )
          }
        </Answer>
      </Section>
      <SigningKeys />
      <ProvenanceKeys />
    </Page>
  );
}
