import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { type FormEvent, useEffect, useState } from "react";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { AppLink } from "../parts/AppLink.tsx";
import { ProblemNote } from "../parts/ProblemNote.tsx";
import { Section } from "../parts/Section.tsx";
import { useGo, useSearchWord } from "../parts/search.ts";
import { paths } from "../paths.ts";
import { ask, client } from "../queries.ts";
import { Page } from "../shell/Page.tsx";
import { PlanFields, TargetFields } from "./PlanFields.tsx";
import { fillFrom, PlanPicker } from "./PlanPicker.tsx";
import { PlanPreview, useDryRun } from "./PlanPreview.tsx";
import { draftOf, newDraft, type PlanDraft } from "./plan.ts";
import { type Faults, readPlan } from "./plan-read.ts";
import classes from "./rollouts.module.css";

/** Plans a rollout with its dry run beside it, and starts it. */
export function NewRolloutPage() {
  const { draft, picked, touched, change, pick } = useDraft();
  const reading = readPlan(draft);
  const preview = useDryRun(reading);
  const allowed = useMay(api.startRollout);
  const go = useGo();
  const queries = useQueryClient();
  const start = useMutation({
    mutationFn: () => {
      if (reading.is !== "plan") throw new Error("The plan is not complete yet.");
      return client.call(api.startRollout, { body: reading.plan });
    },
    onSuccess: async (rollout) => {
      await queries.invalidateQueries();
      go(paths.rollout(rollout.id), "replace");
    },
  });
  const startable = reading.is === "plan" && preview.data?.targets !== 0;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (startable && allowed.allowed) start.mutate();
  };
  const faults = reading.is === "incomplete" ? shown(reading.faults, touched) : {};
  return (
    <Page
      title="New rollout"
      name="New rollout"
      above={<AppLink to={paths.rollouts()}>Rollouts</AppLink>}
      lead="The preview is a dry run of exactly this plan. Nothing reaches a device before you start it."
      cli={cli.startRollout(draft.release, picked)}
    >
      <form className={classes.form} onSubmit={submit}>
        <Section title="Plan" aside={<AppLink to={paths.plans()}>Stored plans</AppLink>}>
          <PlanPicker picked={picked} onPick={pick} />
          <TargetFields draft={draft} faults={faults} onChange={change} />
          <PlanFields draft={draft} faults={faults} onChange={change} />
        </Section>
        <div className={classes.stick}>
          <Section title="Dry run">
            <PlanPreview reading={reading} preview={preview} />
            {start.error && <ProblemNote error={start.error} />}
            <Button type="submit" mt="md" fullWidth disabled={!startable || !allowed.allowed} loading={start.isPending}>
              Start the rollout
            </Button>
            {!allowed.allowed && <p>{allowed.because}</p>}
          </Section>
        </div>
      </form>
    </Page>
  );
}

/** The form: empty, or begun with a stored plan (`?plan=`) or with the plan of an earlier rollout (`?again=`). */
function useDraft() {
  const [draft, setDraft] = useState(() => newDraft(""));
  const [picked, setPicked] = useState<string>();
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const release = useSearchWord("release");
  const [named, again] = [useSearchWord("plan"), useSearchWord("again")];
  const plans = useQuery({ ...ask(api.listRolloutPlans, {}), enabled: named !== undefined });
  const earlier = useQuery({ ...ask(api.getRollout, { params: { id: again ?? "" } }), enabled: again !== undefined });
  const pick = (plan: NonNullable<typeof plans.data>["items"][number]) => {
    setDraft((before) => fillFrom(plan, before));
    setPicked(plan.name);
  };
  useEffect(() => {
    if (release !== undefined) setDraft((before) => ({ ...before, release }));
  }, [release]);
  const stored = plans.data?.items.find(({ name }) => name === named);
  // Once, when it is known: what is typed afterwards stays.
  // biome-ignore lint/correctness/useExhaustiveDependencies: `pick` is made anew each time and does the same
  useEffect(() => {
    if (stored) pick(stored);
  }, [stored?.name]);
  const plan = earlier.data?.plan;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the plan of a rollout never changes
  useEffect(() => {
    if (plan) setDraft(draftOf(plan));
  }, [earlier.data?.id]);
  const change = (part: Partial<PlanDraft>) => {
    setDraft((before) => ({ ...before, ...part }));
    setTouched((before) => new Set([...before, ...Object.keys(part)]));
  };
  return { draft, picked, touched, change, pick };
}

/** A field says what it lacks once somebody has been at it. */
const shown = (faults: Faults, touched: ReadonlySet<string>): Faults =>
  Object.fromEntries(Object.entries(faults).filter(([field]) => touched.has(field)));
