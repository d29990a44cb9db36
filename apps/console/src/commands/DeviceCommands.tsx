import { Autocomplete, Group, Stack, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, type DeviceCommand, finalCommandStates } from "@tenfold/contracts";
import { useState } from "react";
import type { Verdict } from "../access/judge.ts";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { ActionButton } from "../parts/ActionButton.tsx";
import { Answer } from "../parts/Answer.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { Status } from "../parts/Status.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { ask } from "../queries.ts";
import { commandLook, knownCommands, readObject } from "./command.ts";
import { DesiredState } from "./DesiredState.tsx";

/** What one device was told to do and to be, live, and the way to tell it more. */
export function DeviceCommands({ id }: { id: string }) {
  const commands = useQuery(ask(api.listCommands, { query: { device: id, limit: 50 } }));
  return (
    <Stack gap="md">
      <Section title="Give a command">
        <GiveCommand id={id} />
      </Section>
      <Section title="Commands">
        <Answer of={commands}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="This device was told nothing yet." />
            ) : (
              <Table label="Commands" columns={columns} rows={items} keyOf={(each) => each.id} />
            )
          }
        </Answer>
      </Section>
      <DesiredState id={id} />
    </Stack>
  );
}

function GiveCommand({ id }: { id: string }) {
  const [name, setName] = useState("identify");
  const [text, setText] = useState("");
  const may = useMay(api.giveCommand);
  const args = readObject(text);
  const unreadable: Verdict = { allowed: false, because: "The arguments are no JSON object." };
  const allowed = args === undefined ? unreadable : may;
  return (
    <Group align="flex-end">
      <Autocomplete label="Command" data={knownCommands} value={name} onChange={setName} />
      <TextInput
        label="Arguments"
        placeholder='{"seconds": 10}'
        value={text}
        error={args === undefined ? "A JSON object, or nothing" : undefined}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <ActionButton
        operation={api.giveCommand}
        callWith={(reason) => ({ body: { device: id, name, args: args ?? {}, reason } })}
        verb="Give"
        icon="play"
        title={`${name} on ${id}`}
        cli={cli.runCommand(id, name)}
        allowed={allowed}
      >
        The device gets it at once, or when it connects within five minutes. It does it at most once, and says what became of it.
      </ActionButton>
    </Group>
  );
}

const columns: readonly Column<DeviceCommand>[] = [
  { title: "State", cell: (each) => <Status look={commandLook[each.state]} title={each.because} /> },
  { title: "Command", cell: (each) => <code>{each.name}</code> },
  { title: "Why", cell: (each) => each.because },
  { title: "Given", cell: (each) => <When at={each.createdAt} /> },
  { title: "By", cell: (each) => each.givenBy },
  { title: "Reason", cell: (each) => each.reason },
  { title: "Delivered", cell: (each) => (each.deliveredAt ? <When at={each.deliveredAt} /> : "–") },
  { title: "", cell: (each) => (finalCommandStates.some((final) => final === each.state) ? null : <Cancel command={each} />) },
];

function Cancel({ command: { id, name, device } }: { command: DeviceCommand }) {
  const allowed = useMay(api.cancelCommand);
  return (
    <ActionButton
      operation={api.cancelCommand}
      callWith={(reason) => ({ params: { id }, body: { reason } })}
      verb="Take back"
      icon="undo"
      title={`Take back ${name} on ${device}`}
      cli={cli.cancelCommand(id)}
      allowed={allowed}
    >
      It is not sent any more. A device that has it already may still do it.
    </ActionButton>
  );
}
