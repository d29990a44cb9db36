import { useQuery } from "@tanstack/react-query";
import { api, type Device, type Transfer } from "@tenfold/contracts";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { ActionButton } from "../parts/ActionButton.tsx";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { paths } from "../paths.ts";
import { ask } from "../queries.ts";

/** Between owners and boards: what happened, and what can be done. */
export function Moves({ device }: { device: Device }) {
  const transfers = useQuery(ask(api.listTransfers, { query: { device: device.id, limit: 20 } }));
  const allowed = useMay(api.returnDevice);
  return (
    <Section title="Owners and boards">
      <Answer of={transfers}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="This board has been here from the beginning." />
          ) : (
            <Table label="Owners and boards" columns={columns} rows={items} keyOf={(each) => each.id} />
          )
        }
      </Answer>
      {["active", "suspended", "quarantined", "retired"].includes(device.lifecycle) && (
        <ActionButton
          operation={api.returnDevice}
          callWith={(reason) => ({ params: { id: device.id }, body: { reason } })}
          verb="Back from repair"
          icon="undo"
          title="Take this board back from repair"
          allowed={allowed}
          cli={cli.returnDevice(device.id)}
          danger
        >
          Its certificates are revoked, and it must enroll anew with its manufacturer's certificate. Tags, groups and history stay.
        </ActionButton>
      )}
      <p>Another board, or another owner:</p>
      <CopyLine line={cli.replaceDevice(device.id)} label="Copy the command" />
      <CopyLine line={cli.transferDevice(device.id)} label="Copy the command" />
    </Section>
  );
}

const words: Record<Transfer["kind"], string> = {
  out: "Transferred to",
  in: "Came from",
  return: "Came back from repair",
  replaced: "Replaced by",
  replaces: "Took the place of",
};

const columns: readonly Column<Transfer>[] = [
  {
    title: "What",
    cell: (each) => (
      <>
        {words[each.kind]}{" "}
        {each.kind === "replaced" || each.kind === "replaces" ? (
          <AppLink to={paths.device(each.other ?? "")}>{each.other}</AppLink>
        ) : (
          each.other
        )}
      </>
    ),
  },
  { title: "Why", cell: (each) => each.reason },
  { title: "Who", cell: (each) => each.actor },
  { title: "When", cell: (each) => <When at={each.at} /> },
];
