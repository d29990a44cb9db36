import { Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, type RolloutPolicy } from "@tenfold/contracts";
import { type ChangeEvent, useState } from "react";
import type { Verdict } from "../access/judge.ts";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { ActionButton } from "../parts/ActionButton.tsx";
import { Answer } from "../parts/Answer.tsx";
import { Section } from "../parts/Section.tsx";
import { ask, client } from "../queries.ts";
import { type PolicyDraft, type PolicyReading, policyDraftOf, readPolicy, samePolicy } from "./policy.ts";
import classes from "./rollouts.module.css";

/** What binds every rollout of the fleet, whatever its plan says. */
export function PolicySection() {
  const policy = useQuery(ask(api.getRolloutPolicy, {}));
  return (
    <Section title="What binds every rollout">
      <Answer of={policy}>{(found) => <PolicyForm key={JSON.stringify(found)} policy={found} />}</Answer>
    </Section>
  );
}

function PolicyForm({ policy }: { policy: RolloutPolicy }) {
  const before = policyDraftOf(policy);
  const [draft, setDraft] = useState(before);
  const reading = readPolicy(draft);
  const allowed = judgeChange(useMay(api.setRolloutPolicy), { reading, changed: !samePolicy(draft, before) });
  const faults = reading.is === "unreadable" ? reading.faults : {};
  const field = (name: keyof PolicyDraft) => ({
    value: draft[name],
    error: faults[name],
    onChange: (event: ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) =>
      setDraft({ ...draft, [name]: event.currentTarget.value }),
  });
  return (
    <>
      <div className={classes.fields}>
        <TextInput
          label="At once, in all rollouts together"
          description="Shared by weight. Empty: no bound."
          {...field("atOnce")}
        />
        <TextInput
          label="Approvals that every rollout needs"
          description="Of others than its author; 0 to 5."
          {...field("approvals")}
        />
        <TextInput
          label="Price of a gigabyte"
          description="What sending it to a device costs, for dry runs. Empty: none."
          placeholder="4.50 EUR"
          {...field("pricePerGb")}
        />
        <Textarea
          className={classes.wide ?? ""}
          label="Maintenance windows of the fleet"
          description="One a line. A device is offered an update only inside one of them and one of its plan's. Empty: any time."
          placeholder="sat,sun 22:00-04:00 Europe/Berlin"
          autosize
          minRows={2}
          spellCheck={false}
          {...field("windows")}
        />
      </div>
      <div className={classes.buttons}>
        <ActionButton
          operation={api.setRolloutPolicy}
          callWith={() => ({ body: reading.is === "policy" ? reading.policy : policy })}
          verb="Change"
          icon="check"
          title="Change what binds every rollout"
          cli={cli.policy()}
          allowed={allowed}
          reason="none"
          undo={{
            says: "What binds every rollout is changed.",
            run: () => client.call(api.setRolloutPolicy, { body: policy }),
          }}
        >
          It holds at once, for rollouts that are open as well.
        </ActionButton>
      </div>
    </>
  );
}

function judgeChange(may: Verdict, { reading, changed }: { reading: PolicyReading; changed: boolean }): Verdict {
  if (!may.allowed) return may;
  if (reading.is === "unreadable") return { allowed: false, because: "A field cannot be read." };
  return changed ? may : { allowed: false, because: "Nothing is changed." };
}
