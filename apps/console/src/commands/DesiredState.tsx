import { Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, type DeviceState } from "@tenfold/contracts";
import { useState } from "react";
import type { Verdict } from "../access/judge.ts";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { ActionButton } from "../parts/ActionButton.tsx";
import { Answer } from "../parts/Answer.tsx";
import { Facts, Section } from "../parts/Section.tsx";
import { Badge } from "../parts/Status.tsx";
import { When } from "../parts/When.tsx";
import { ask } from "../queries.ts";
import { convergenceLook, readObject } from "./command.ts";

/** What a device should be, what it says it is, and whether it has followed. */
export function DesiredState({ id }: { id: string }) {
  const state = useQuery(ask(api.getDeviceState, { params: { id } }));
  return (
    <Section title="Desired and reported state">
      <Answer of={state}>
        {(found) => (
          <>
            <StateFacts state={found} />
            <ChangeDesired state={found} />
          </>
        )}
      </Answer>
    </Section>
  );
}

function StateFacts({ state: { desired, reported, convergence } }: { state: DeviceState }) {
  return (
    <Facts
      facts={[
        ["Followed", <Badge key="is" look={convergenceLook[convergence.is]} />],
        ["Why", convergence.because],
        ["Desired", desired ? <code key="desired">{JSON.stringify(desired.state)}</code> : "nothing"],
        ["Generation", desired ? String(desired.generation) : "–"],
        ["Changed", desired ? <When key="changed" at={desired.changedAt} /> : "never"],
        ["By", desired ? `${desired.changedBy}: ${desired.reason}` : "–"],
        ["Reported", <code key="reported">{JSON.stringify(reported)}</code>],
      ]}
    />
  );
}

function ChangeDesired({ state: { device, desired } }: { state: DeviceState }) {
  const [text, setText] = useState("");
  const may = useMay(api.mergeDesiredState);
  const patch = readObject(text);
  const unreadable: Verdict = { allowed: false, because: "The change is no JSON object." };
  return (
    <>
      <Textarea
        label="Change"
        description="A JSON merge patch: keys that are named are set, null removes one."
        placeholder='{"heartbeatS": 30}'
        my="md"
        autosize
        value={text}
        error={patch === undefined ? "A JSON object" : undefined}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <ActionButton
        operation={api.mergeDesiredState}
        // What is shown is what is changed: somebody else's change in between refuses this one.
        callWith={(reason) => ({
          params: { id: device },
          body: { patch: patch ?? {}, expectedGeneration: desired?.generation ?? 0, reason },
        })}
        verb="Change"
        icon="check"
        title={`Change what ${device} should be`}
        cli={cli.setState(device)}
        allowed={patch === undefined ? unreadable : may}
      >
        The device is told at once, or when it connects, and says when it has followed.
      </ActionButton>
    </>
  );
}
