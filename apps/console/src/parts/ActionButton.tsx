import { Button, Group, Modal, Textarea, Tooltip } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { Call, Operation } from "@tenfold/contracts";
import { type FormEvent, type ReactNode, useState } from "react";
import type { Verdict } from "../access/judge.ts";
import { client } from "../queries.ts";
import { CopyLine } from "./CopyLine.tsx";
import { Icon, type IconName } from "./icons.tsx";
import { ProblemNote } from "./ProblemNote.tsx";

type Props<Op extends Operation> = {
  operation: Op;
  /** The call, once the person gave a reason. */
  callWith: (reason: string) => Call<Op>;
  verb: string;
  icon: IconName;
  title: string;
  /** What will happen, in a sentence or two. */
  children: ReactNode;
  cli?: string;
  allowed: Verdict;
  danger?: true;
};

/** A button that changes something: it asks for a reason first, and when it may not, it says why. */
export function ActionButton<Op extends Operation>(props: Props<Op>) {
  const { verb, icon, allowed, danger } = props;
  const [open, setOpen] = useState(false);
  const refusal = allowed.allowed ? undefined : allowed.because;
  return (
    <>
      <Tooltip label={refusal ?? ""} disabled={refusal === undefined}>
        <Button
          variant="default"
          size="xs"
          leftSection={<Icon name={icon} size={14} />}
          {...(danger && !refusal ? { c: "var(--tf-bad)" } : {})}
          {...(refusal
            ? { "data-disabled": true, "aria-disabled": true, "aria-label": `${verb} (not available: ${refusal})` }
            : {})}
          onClick={() => refusal === undefined && setOpen(true)}
        >
          {verb}
        </Button>
      </Tooltip>
      <Modal opened={open} onClose={() => setOpen(false)} title={props.title}>
        <ReasonForm {...props} close={() => setOpen(false)} />
      </Modal>
    </>
  );
}

function ReasonForm<Op extends Operation>({
  operation,
  callWith,
  verb,
  children,
  cli,
  danger,
  close,
}: Props<Op> & { close: () => void }) {
  const [reason, setReason] = useState("");
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: () => client.call(operation, callWith(reason.trim())),
    onSuccess: async () => {
      close();
      await queries.invalidateQueries();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (reason.trim() !== "") change.mutate();
  };
  return (
    <form onSubmit={submit}>
      <p>{children}</p>
      <Textarea
        label="Reason"
        description="Goes into the audit trail and the timeline."
        required
        autosize
        minRows={2}
        maxLength={500}
        my="md"
        data-autofocus
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      {change.error && <ProblemNote error={change.error} />}
      {cli && <CopyLine line={cli} />}
      <Group justify="flex-end" mt="lg">
        <Button variant="default" onClick={close}>
          Cancel
        </Button>
        <Button type="submit" disabled={reason.trim() === ""} loading={change.isPending} {...(danger ? { color: "red" } : {})}>
          {verb}
        </Button>
      </Group>
    </form>
  );
}
