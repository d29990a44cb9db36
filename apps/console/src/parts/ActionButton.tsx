import { Button, Group, Modal, Textarea, Tooltip } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { Call, Operation } from "@tenfold/contracts";
import { type FormEvent, type ReactNode, useState } from "react";
import type { Verdict } from "../access/judge.ts";
import { client } from "../queries.ts";
import { CopyLine } from "./CopyLine.tsx";
import { Icon, type IconName } from "./icons.tsx";
import { ProblemNote } from "./ProblemNote.tsx";
import { type Undo, useOfferUndo } from "./undo.tsx";

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
  /** Only a confirmation where the operation takes no reason. */
  reason?: "none";
  /** How it is taken back, where the engine allows it: offered for half a minute afterwards. */
  undo?: Undo;
};

/** A button that changes something: it asks for a reason first, or to be confirmed, and when it may not, it says why. */
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
  undo,
  reason: asks,
  close,
}: Props<Op> & { close: () => void }) {
  const [reason, setReason] = useState("");
  const queries = useQueryClient();
  const offerUndo = useOfferUndo();
  const change = useMutation({
    mutationFn: () => client.call(operation, callWith(reason.trim())),
    onSuccess: async () => {
      close();
      if (undo) offerUndo(undo);
      await queries.invalidateQueries();
    },
  });
  const complete = asks === "none" || reason.trim() !== "";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (complete) change.mutate();
  };
  return (
    <form onSubmit={submit}>
      <p>{children}</p>
      {asks !== "none" && (
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
      )}
      {change.error && <ProblemNote error={change.error} />}
      {cli && <CopyLine line={cli} />}
      <Group justify="flex-end" mt="lg">
        <Button variant="default" onClick={close}>
          Close
        </Button>
        <Button type="submit" disabled={!complete} loading={change.isPending} {...(danger ? { color: "red" } : {})}>
          {verb}
        </Button>
      </Group>
    </form>
  );
}
