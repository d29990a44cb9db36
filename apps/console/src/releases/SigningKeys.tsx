import { useQuery } from "@tanstack/react-query";
import { api, type SigningKey } from "@tenfold/contracts";
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
        <Revoke of={each} />
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
            <Empty title="No signing key is registered yet.">
              Without one, no release is accepted. The private key stays with the signer:
              <CopyLine line={cli.trustKey()} label="Copy the command" />
            </Empty>
          ) : (
            <Table label="Signing keys" columns={columns} rows={items} keyOf={(each) => each.keyid} />
          )
        }
      </Answer>
    </Section>
  );
}

function Revoke({ of: { keyid, name } }: { of: SigningKey }) {
  const allowed = useMay(api.revokeSigningKey);
  return (
    <ActionButton
      operation={api.revokeSigningKey}
      callWith={(reason) => ({ params: { id: keyid }, body: { reason } })}
      verb="Revoke"
      icon="cross"
      title={`Revoke the signing key ${name}`}
      cli={cli.revokeSigningKey(keyid)}
      allowed={allowed}
      danger
    >
      Its signatures make no release any more; rollouts of releases that it alone has signed pause. It never comes back.
    </ActionButton>
  );
}
