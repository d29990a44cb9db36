import { Button, Group, Tooltip } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, type PendingEnrollment } from "@tenfold/contracts";
import { useMay } from "../access/session.ts";
import { count, short } from "../format.ts";
import { ActionButton } from "../parts/ActionButton.tsx";
import { Icon } from "../parts/icons.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { client } from "../queries.ts";

const columns: readonly Column<PendingEnrollment>[] = [
  { title: "Serial", cell: (each) => <code>{each.serial}</code> },
  { title: "Vouched for by", cell: (each) => each.anchor ?? "nobody" },
  { title: "Key", cell: (each) => <code title={each.keyFingerprint}>{short(each.keyFingerprint, 16)}</code> },
  { title: "First seen", cell: (each) => <When at={each.firstSeenAt} /> },
  { title: "Last try", cell: (each) => <When at={each.lastSeenAt} /> },
  { title: "Tries", cell: (each) => count(each.attempts), numeric: true },
  { title: "Decide", cell: (each) => <Decide pending={each} /> },
];

/** Devices that wait for a person's word. */
export function PendingTable({ pending }: { pending: readonly PendingEnrollment[] }) {
  return <Table label="Waiting for approval" columns={columns} rows={pending} keyOf={(each) => each.id} />;
}

function Decide({ pending }: { pending: PendingEnrollment }) {
  const allowed = useMay(api.approveEnrollment);
  const queries = useQueryClient();
  const approve = useMutation({
    mutationFn: () => client.call(api.approveEnrollment, { params: { id: pending.id } }),
    onSuccess: () => queries.invalidateQueries(),
  });
  const refusal = approve.error?.message ?? (allowed.allowed ? undefined : allowed.because);
  return (
    <Group gap="xs" wrap="nowrap">
      <Tooltip label={refusal ?? "It gets its certificate at its next try"}>
        <Button
          size="xs"
          leftSection={<Icon name="check" size={14} />}
          loading={approve.isPending}
          {...(allowed.allowed ? {} : { "data-disabled": true, "aria-disabled": true })}
          aria-label={`Approve ${pending.serial}${refusal ? ` (not available: ${refusal})` : ""}`}
          onClick={() => allowed.allowed && approve.mutate()}
        >
          Approve
        </Button>
      </Tooltip>
      <ActionButton
        operation={api.rejectEnrollment}
        callWith={(reason) => ({ params: { id: pending.id }, body: { reason } })}
        verb="Reject"
        icon="cross"
        title={`Reject ${pending.serial}`}
        allowed={allowed}
        danger
      >
        The device is refused. It may try again with another key.
      </ActionButton>
    </Group>
  );
}
