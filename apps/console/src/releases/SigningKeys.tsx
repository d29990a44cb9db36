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
import { revocation } from "./effects.ts";

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
            <Empty title="No signing key is registered.">
              A release is accepted when the signed list names it, or when a key that stands here signed it. The private key stays
              with the signer:
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
      <Revocation keyid={keyid} />
    </ActionButton>
  );
}

/** Asked for when the dialog opens. */
function Revocation({ keyid }: { keyid: string }) {
  const releases = useQuery(ask(api.listReleases, { query: { limit: 200 } }));
  const rollouts = useQuery(ask(api.listRollouts, { query: { limit: 200 } }));
  if (releases.data === undefined || rollouts.data === undefined) return "Looking at what it has signed …";
  return revocation(keyid, { releases: releases.data.items, rollouts: rollouts.data.items });
}
