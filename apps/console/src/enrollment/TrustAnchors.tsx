import { useQuery } from "@tanstack/react-query";
import { api, type TrustAnchor } from "@tenfold/contracts";
import { absolute, short } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { ask } from "../queries.ts";

const columns: readonly Column<TrustAnchor>[] = [
  { title: "Manufacturer", cell: (each) => each.name },
  { title: "Subject", cell: (each) => <code>{each.subject}</code> },
  { title: "Fingerprint", cell: (each) => <code title={each.fingerprint}>{short(each.fingerprint, 20)}</code> },
  {
    title: "Manifests",
    cell: (each) =>
      `${each.manifests === "signed" ? "must be signed" : "any"}${each.manifestKeys.length > 0 ? `, ${each.manifestKeys.length} keys` : ""}`,
  },
  { title: "Unknown devices", cell: (each) => (each.unknownDevices === "approve" ? "wait for approval" : "are refused") },
  { title: "Ends", cell: (each) => absolute(Date.parse(each.notAfter)) },
];

/** Manufacturers whose devices may enroll. */
export function TrustAnchors() {
  const anchors = useQuery(ask(api.listTrustAnchors, {}));
  return (
    <Section title="Trust anchors">
      <Answer of={anchors}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No manufacturer is trusted yet.">Only one-time codes can enroll a device until one is.</Empty>
          ) : (
            <Table label="Trust anchors" columns={columns} rows={items} keyOf={(each) => each.id} />
          )
        }
      </Answer>
    </Section>
  );
}
