import { Button, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, type UpdatePin } from "@tenfold/contracts";
import { type FormEvent, useState } from "react";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { absolute, counted } from "../format.ts";
import { ActionButton } from "../parts/ActionButton.tsx";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { useNow } from "../parts/now.ts";
import { ProblemNote } from "../parts/ProblemNote.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { useSearchWord } from "../parts/search.ts";
import { type Column, Table } from "../parts/Table.tsx";
import { useOfferUndo } from "../parts/undo.tsx";
import { When } from "../parts/When.tsx";
import { paths } from "../paths.ts";
import { ask, client } from "../queries.ts";
import { checkFilter } from "../registry/filter.ts";
import { Page } from "../shell/Page.tsx";
import { readLocalField } from "./calendar.ts";
import classes from "./rollouts.module.css";

/** Devices that stay on a version, or get no update at all. */
export function PinsPage() {
  const pins = useQuery(ask(api.listUpdatePins, {}));
  return (
    <Page
      title="Pins and exclusions"
      name="Pins and exclusions"
      cli={cli.pins()}
      lead="A pin keeps devices on a version; without a version they get no update at all. It also holds devices that a rollout has already chosen."
    >
      <div className={classes.columns}>
        <Section title="Newest first">
          <Answer of={pins}>
            {({ items }) =>
              items.length === 0 ? (
                <Empty title="No device is pinned.">
                  Pin some beside this, or:
                  <CopyLine line={cli.pin("group:lab")} label="Copy the command" />
                </Empty>
              ) : (
                <PinTable items={items} />
              )
            }
          </Answer>
        </Section>
        <Section title="Pin devices">
          <PinForm />
        </Section>
      </div>
    </Page>
  );
}

function PinTable({ items }: { items: readonly UpdatePin[] }) {
  const now = useNow();
  const open = ({ liftedAt, expiresAt }: UpdatePin) =>
    liftedAt === undefined && (expiresAt === undefined || Date.parse(expiresAt) > now);
  const columns: readonly Column<UpdatePin>[] = [
    { title: "Devices", cell: (each) => <AppLink to={paths.devices({ filter: each.filter })}>{each.filter}</AppLink> },
    { title: "Stay on", cell: (each) => (each.version ? <code>{each.version}</code> : "what they run: no update") },
    { title: "Reason", cell: (each) => `${each.reason} (${each.createdBy})` },
    { title: "Until", cell: (each) => <Until pin={each} /> },
    { title: "Change", cell: (each) => (open(each) ? <LiftPin pin={each} /> : "–") },
  ];
  return <Table label="Pins and exclusions" columns={columns} rows={items} keyOf={(each) => each.id} />;
}

function Until({ pin: { liftedAt, liftedBy, expiresAt } }: { pin: UpdatePin }) {
  if (liftedAt)
    return (
      <>
        lifted <When at={liftedAt} /> by {liftedBy}
      </>
    );
  return expiresAt ? (
    <span title={absolute(Date.parse(expiresAt))}>
      <When at={expiresAt} past="ended" />
    </span>
  ) : (
    "it is lifted"
  );
}

function LiftPin({ pin: { id, filter, version, reason, expiresAt } }: { pin: UpdatePin }) {
  const allowed = useMay(api.liftUpdatePin);
  const body = { filter, reason, ...(version === undefined ? {} : { version }), ...(expiresAt === undefined ? {} : { expiresAt }) };
  return (
    <ActionButton
      operation={api.liftUpdatePin}
      callWith={() => ({ params: { id } })}
      verb="Lift"
      icon="undo"
      title={`Lift the pin of ${filter}`}
      cli={cli.unpin(id)}
      allowed={allowed}
      reason="none"
      undo={{ says: `The pin of ${filter} is lifted.`, run: () => client.call(api.addUpdatePin, { body }) }}
    >
      <Lifted filter={filter} />
    </ActionButton>
  );
}

/** Asked for when the dialog opens. */
function Lifted({ filter }: { filter: string }) {
  const devices = useQuery(ask(api.listDevices, { query: { filter, limit: 1 } }));
  const many = devices.data && counted(devices.data.total, "device");
  return `Rollouts that wait for ${many ? `the ${many} of ${filter}` : `the devices of ${filter}`} offer the release at once where nothing else keeps them. An offer that went out stays out, also when the pin is put back.`;
}

function PinForm() {
  const [filter, setFilter] = useState(useSearchWord("filter") ?? "");
  const [version, setVersion] = useState("");
  const [until, setUntil] = useState("");
  const [reason, setReason] = useState("");
  const allowed = useMay(api.addUpdatePin);
  const queries = useQueryClient();
  const offerUndo = useOfferUndo();
  const expiresAt = readLocalField(until);
  const body = {
    ...{ filter: filter.trim(), reason: reason.trim() },
    ...(version.trim() === "" ? {} : { version: version.trim() }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
  const add = useMutation({
    mutationFn: () => client.call(api.addUpdatePin, { body }),
    onSuccess: async ({ id }) => {
      setFilter("");
      setReason("");
      offerUndo({ says: `${body.filter} is pinned.`, run: () => client.call(api.liftUpdatePin, { params: { id } }) });
      await queries.invalidateQueries();
    },
  });
  const fault = checkFilter(filter);
  const complete = body.filter !== "" && fault === undefined && body.reason !== "";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (complete && allowed.allowed) add.mutate();
  };
  return (
    <form onSubmit={submit} className={classes.stackForm}>
      <TextInput
        label="Devices"
        description="A filter, such as id:pump-7 or group:lab."
        required
        spellCheck={false}
        value={filter}
        onChange={(event) => setFilter(event.currentTarget.value)}
        error={filter === "" ? undefined : fault?.message}
      />
      <TextInput
        label="Stay on version"
        description="The only one that they may be offered. Empty: no update at all."
        value={version}
        onChange={(event) => setVersion(event.currentTarget.value)}
      />
      <TextInput
        type="datetime-local"
        label="Until"
        description="Empty: until it is lifted."
        value={until}
        onChange={(event) => setUntil(event.currentTarget.value)}
      />
      <TextInput
        label="Reason"
        description="Shown wherever a device waits for it."
        required
        maxLength={500}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      {add.error && <ProblemNote error={add.error} />}
      <Button type="submit" disabled={!complete || !allowed.allowed} loading={add.isPending}>
        Pin
      </Button>
      {!allowed.allowed && <p>{allowed.because}</p>}
    </form>
  );
}
