import { Select, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { ask } from "../queries.ts";
import { checkFilter } from "../registry/filter.ts";
import type { PlanDraft } from "./plan.ts";
import classes from "./rollouts.module.css";

type Props = { draft: PlanDraft; faults: Partial<Record<keyof PlanDraft, string>>; onChange: (change: Partial<PlanDraft>) => void };

const texts = [
  { field: "stages", label: "Stages", description: "Cumulative shares of all targets; the first is the canary." },
  { field: "haltAbove", label: "Halt above", description: "The harmed share of a stage that stops the rollout." },
  { field: "deadline", label: "Deadline", description: "From the offer to the verified boot, such as 1h." },
  { field: "soak", label: "Soak", description: "How long a stage must stay healthy, such as 5m." },
  { field: "atOnce", label: "At once", description: "How many devices update at the same time." },
] as const;

/** The fields of a plan, filled with the defaults that suit most rollouts. */
export function PlanFields({ draft, faults, onChange }: Props) {
  const releases = useQuery(ask(api.listReleases, { query: { limit: 200 } }));
  const usable = releases.data?.items.filter((each) => !each.retired) ?? [];
  return (
    <div className={classes.fields}>
      <Select
        className={classes.wide ?? ""}
        label="Release"
        required
        placeholder={usable.length === 0 ? "No release yet" : "Choose one"}
        data={usable.map((each) => ({ value: each.id, label: `${each.name} ${each.version} (${each.models.join(", ")})` }))}
        value={usable.find((each) => each.id === draft.release || each.version === draft.release)?.id ?? null}
        onChange={(value) => onChange({ release: value ?? "" })}
        error={faults.release}
      />
      <TextInput
        className={classes.wide ?? ""}
        label="Devices"
        description="A filter; empty means every active device that the release fits."
        placeholder="tag:site=berlin"
        spellCheck={false}
        value={draft.filter}
        onChange={(event) => onChange({ filter: event.currentTarget.value })}
        error={checkFilter(draft.filter)?.message}
      />
      {texts.map(({ field, label, description }) => (
        <TextInput
          key={field}
          label={label}
          description={description}
          value={draft[field]}
          onChange={(event) => onChange({ [field]: event.currentTarget.value })}
          error={faults[field]}
        />
      ))}
      <Select
        label="When it halts"
        description="What becomes of devices that took it."
        allowDeselect={false}
        data={[
          { value: "roll_back", label: "Bring them back" },
          { value: "stop", label: "Leave them" },
        ]}
        value={draft.onHalt}
        onChange={(value) => onChange({ onHalt: value === "stop" ? "stop" : "roll_back" })}
      />
    </div>
  );
}
