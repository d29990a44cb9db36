import { TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { useState } from "react";
import { cli } from "../cli.ts";
import { counted } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { ask } from "../queries.ts";

type Component = { name: string; version?: string | undefined; purl?: string | undefined; type: string; licences: string[] };

const columns: readonly Column<Component>[] = [
  { title: "Component", cell: (each) => <strong>{each.name}</strong> },
  { title: "Version", cell: (each) => <code>{each.version ?? "–"}</code> },
  { title: "Kind", cell: (each) => each.type },
  { title: "Licences", cell: (each) => each.licences.join(", ") || "not said" },
  { title: "Package URL", cell: (each) => (each.purl ? <code>{each.purl}</code> : "–") },
];

/** As many rows as a page bears; the search looks through all that came. */
const shown = 200;

/** What the SBOMs of a release list. */
export function Components({ release }: { release: string }) {
  const [text, setText] = useState("");
  const components = useQuery(ask(api.listReleaseComponents, { params: { id: release }, query: { limit: 10_000 } }));
  return (
    <Section title="What is in it">
      <Answer of={components}>
        {({ items }) => {
          if (items.length === 0)
            return (
              <Empty title="No SBOM is attached.">
                With one, &ldquo;which releases contain openssl older than 3.0.14?&rdquo; has an answer. Attach CycloneDX as your
                build writes it:
                <CopyLine line={cli.attach(release)} label="Copy the command" />
              </Empty>
            );
          const wanted = items.filter(({ name, purl }) => `${name} ${purl ?? ""}`.toLowerCase().includes(text.toLowerCase()));
          return (
            <>
              <TextInput
                label="Find a component"
                placeholder="openssl"
                size="xs"
                mb="sm"
                maw={320}
                value={text}
                onChange={(event) => setText(event.currentTarget.value)}
              />
              <Table
                label="Components"
                columns={columns}
                rows={wanted.slice(0, shown)}
                keyOf={(each) => `${each.name} ${each.version ?? ""} ${each.purl ?? ""} ${each.type}`}
              />
              <p style={{ color: "var(--tf-ink-2)", marginTop: 28 }}>
                {wanted.length > shown ? `${shown} of ` : ""}
                {counted(wanted.length, "component")}
                {text && ` of ${items.length}`}.
              </p>
              <CopyLine line={cli.releaseComponents(release)} label="Copy the command" />
            </>
          );
        }}
      </Answer>
    </Section>
  );
}
