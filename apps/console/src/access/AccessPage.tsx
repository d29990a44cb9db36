import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, type Permission, permissions, type Role, rolePermissions, roles } from "@tenfold/contracts";
import { cli } from "../cli.ts";
import { sentence, words } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { Icon } from "../parts/icons.tsx";
import { Facts, Section } from "../parts/Section.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { client } from "../queries.ts";
import { Page } from "../shell/Page.tsx";
import { OidcTrusts } from "./OidcTrusts.tsx";
import { ServiceAccounts } from "./ServiceAccounts.tsx";
import { useMay, useSession } from "./session.ts";

/** Who am I, and who may do what. */
export function AccessPage() {
  const session = useSession();
  const accounts = useMay(api.listServiceAccounts);
  return (
    <Page
      title="Access"
      name="Access"
      cli={cli.session()}
      lead="What a role allows is one table, shared by the server that enforces it and this page."
      actions={<SignOut />}
    >
      <Answer of={session}>
        {({ actor, role }) => (
          <Section title="Who you are">
            <Facts
              facts={[
                ["Name", actor?.name ?? "–"],
                ["Kind", actor ? words(actor.kind) : "–"],
                ["Role", role ? words(role) : "none"],
              ]}
            />
          </Section>
        )}
      </Answer>
      {accounts.allowed && <ServiceAccounts />}
      {accounts.allowed && <OidcTrusts />}
      <Section title="Roles">
        <Table label="What each role may do" columns={roleColumns} rows={permissions} keyOf={(each) => each} />
      </Section>
    </Page>
  );
}

const roleColumns: readonly Column<Permission>[] = [
  { title: "Permission", cell: (each) => <code>{each}</code> },
  ...roles.map((role) => ({ title: sentence(role), cell: (each: Permission) => <Allowed role={role} permission={each} /> })),
];

function Allowed({ role, permission }: { role: Role; permission: Permission }) {
  if (!rolePermissions[role].includes(permission)) return <span style={{ color: "var(--tf-ink-2)" }}>no</span>;
  return (
    <span style={{ color: "var(--tf-ok)", display: "inline-flex", gap: 6, alignItems: "center" }}>
      <Icon name="check" size={14} /> yes
    </span>
  );
}

function SignOut() {
  const queries = useQueryClient();
  const signOut = useMutation({
    mutationFn: () => client.call(api.signOut, {}),
    onSettled: () => queries.resetQueries(),
  });
  return (
    <Button size="xs" variant="default" loading={signOut.isPending} onClick={() => signOut.mutate()}>
      Sign out
    </Button>
  );
}
