import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, completePlan, type StoredPlan } from "@tenfold/contracts";
import { ask } from "../queries.ts";
import { draftOf, type PlanDraft } from "./plan.ts";

type Props = { picked: string | undefined; onPick: (plan: StoredPlan) => void };

/** A stored plan to begin with; every field can be changed after it. */
export function PlanPicker({ picked, onPick }: Props) {
  const plans = useQuery(ask(api.listRolloutPlans, {}));
  const known = plans.data?.items ?? [];
  return (
    <Select
      mb="md"
      label="Plan"
      description={
        known.find(({ name }) => name === picked)?.note ?? "A stored plan to begin with. Fields changed below win over it."
      }
      placeholder="None: the defaults"
      data={known.map(({ name, builtIn }) => ({ value: name, label: builtIn ? `${name} (built in)` : name }))}
      value={picked ?? null}
      onChange={(value) => {
        const plan = known.find(({ name }) => name === value);
        if (plan) onPick(plan);
      }}
    />
  );
}

/** The form filled with a stored plan: release and devices stay what was typed, unless the plan says whom it is for. */
export function fillFrom({ plan }: Pick<StoredPlan, "plan">, draft: PlanDraft): PlanDraft {
  const filled = draftOf(completePlan({ release: "any" }, plan));
  return { ...filled, release: draft.release, filter: plan.filter ?? draft.filter };
}
