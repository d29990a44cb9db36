import { Button, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, type Freeze } from "@tenfold/contracts";
import { type FormEvent, useState } from "react";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { absolute } from "../format.ts";
import { ActionButton } from "../parts/ActionButton.tsx";
import { Answer } from "../parts/Answer.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { useNow } from "../parts/now.ts";
import { ProblemNote } from "../parts/ProblemNote.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { Status } from "../parts/Status.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import type { Look } from "../parts/tones.ts";
import { useOfferUndo } from "../parts/undo.tsx";
import { ask, client } from "../queries.ts";
import { Page } from "../shell/Page.tsx";
import { type FreezeState, freezeState, localField, readLocalField } from "./calendar.ts";
import { FreezeCalendar } from "./FreezeCalendar.tsx";
import { PolicySection } from "./PolicySection.tsx";
import classes from "./rollouts.module.css";

const looks: Record<FreezeState, Look> = {
  holds: { word: "Holds now", icon: "pause", tone: "warn" },
  comes: { word: "Comes", icon: "waiting", tone: "accent" },
  over: { word: "Over", icon: "check", tone: "idle" },
  removed: { word: "Taken out", icon: "cross", tone: "idle" },
};

/** When no update is offered, and what else binds every rollout of the fleet. */
export function FreezesPage() {
  const freezes = useQuery(ask(api.listFreezes, {}));
  return (
    <Page
      title="Freeze calendar"
      name="Freeze calendar"
      cli={cli.freezes()}
      lead="During a freeze no update is offered. Devices on their way go on, gates judge, and the way back stays open."
    >
      <div className={classes.columns}>
        <Section title="Six weeks">
          <Answer of={freezes} lines={6}>
            {({ items }) => <FreezeCalendar freezes={items} />}
          </Answer>
        </Section>
        <Section title="Freeze the fleet">
          <FreezeForm />
        </Section>
      </div>
      <Section title="Freezes">
        <Answer of={freezes}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="No freeze is planned.">
                Plan one above, or:
                <CopyLine line={cli.freeze()} label="Copy the command" />
              </Empty>
            ) : (
              <FreezeTable items={items} />
            )
          }
        </Answer>
      </Section>
      <PolicySection />
    </Page>
  );
}

function FreezeTable({ items }: { items: readonly Freeze[] }) {
  const now = useNow();
  const columns: readonly Column<Freeze>[] = [
    { title: "State", cell: (each) => <Status look={looks[freezeState(each, now)]} /> },
    { title: "From", cell: (each) => absolute(Date.parse(each.from)) },
    { title: "To", cell: (each) => absolute(Date.parse(each.to)) },
    { title: "Reason", cell: (each) => each.reason },
    { title: "By", cell: (each) => each.createdBy },
    {
      title: "Change",
      cell: (each) => (["holds", "comes"].includes(freezeState(each, now)) ? <RemoveFreeze freeze={each} /> : "–"),
    },
  ];
  return <Table label="Freezes" columns={columns} rows={items} keyOf={(each) => each.id} />;
}

function RemoveFreeze({ freeze: { id, from, to, reason } }: { freeze: Freeze }) {
  const allowed = useMay(api.removeFreeze);
  return (
    <ActionButton
      operation={api.removeFreeze}
      callWith={() => ({ params: { id } })}
      verb="Take out"
      icon="cross"
      title="Take this freeze out of the calendar"
      cli={cli.unfreeze(id)}
      allowed={allowed}
      reason="none"
      undo={{
        says: "The freeze is taken out of the calendar.",
        run: () => client.call(api.addFreeze, { body: { from, to, reason } }),
      }}
    >
      &ldquo;{reason}&rdquo; holds no more: rollouts make offers at once where nothing else keeps them.
    </ActionButton>
  );
}

function FreezeForm() {
  const now = useNow();
  const [from, setFrom] = useState(() => localField(now));
  const [to, setTo] = useState("");
  const [reason, setReason] = useState("");
  const allowed = useMay(api.addFreeze);
  const queries = useQueryClient();
  const offerUndo = useOfferUndo();
  const [begin, end] = [readLocalField(from), readLocalField(to)];
  const add = useMutation({
    mutationFn: () => client.call(api.addFreeze, { body: { from: begin ?? "", to: end ?? "", reason: reason.trim() } }),
    onSuccess: async ({ id }) => {
      setReason("");
      setTo("");
      offerUndo({ says: "The freeze is in the calendar.", run: () => client.call(api.removeFreeze, { params: { id } }) });
      await queries.invalidateQueries();
    },
  });
  const complete = begin !== undefined && end !== undefined && end > begin && reason.trim() !== "";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (complete && allowed.allowed) add.mutate();
  };
  return (
    <form onSubmit={submit} className={classes.stackForm}>
      <TextInput
        type="datetime-local"
        label="From"
        description={`By your clock (${Intl.DateTimeFormat().resolvedOptions().timeZone}).`}
        required
        value={from}
        onChange={(event) => setFrom(event.currentTarget.value)}
      />
      <TextInput
        type="datetime-local"
        label="To"
        required
        value={to}
        onChange={(event) => setTo(event.currentTarget.value)}
        error={begin !== undefined && end !== undefined && end <= begin ? "It must end after it begins." : undefined}
      />
      <TextInput
        label="Reason"
        description="Shown wherever a rollout waits for it."
        required
        maxLength={500}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      {add.error && <ProblemNote error={add.error} />}
      <Button type="submit" disabled={!complete || !allowed.allowed} loading={add.isPending}>
        Freeze
      </Button>
      {!allowed.allowed && <p>{allowed.because}</p>}
    </form>
  );
}
