import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { type FormEvent, useState } from "react";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { AppLink } from "../parts/AppLink.tsx";
import { ProblemNote } from "../parts/ProblemNote.tsx";
import { Section } from "../parts/Section.tsx";
import { useGo, useSearchWord } from "../parts/search.ts";
import { paths } from "../paths.ts";
import { client } from "../queries.ts";
import { Page } from "../shell/Page.tsx";
import { PlanFields } from "./PlanFields.tsx";
import { PlanPreview } from "./PlanPreview.tsx";
import { draftOf, readPlan } from "./plan.ts";
import classes from "./rollouts.module.css";

/** Plans a rollout with its dry run beside it, and starts it. */
export function NewRolloutPage() {
  const release = useSearchWord("release") ?? "";
  const [draft, setDraft] = useState(() => draftOf(release));
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const reading = readPlan(draft);
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
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (reading.is === "plan" && allowed.allowed) start.mutate();
  };
  return (
    <Page
      title="New rollout"
      name="New rollout"
      above={<AppLink to={paths.rollouts()}>Rollouts</AppLink>}
      lead="The preview is a dry run of exactly this plan. Nothing reaches a device before you start it."
      cli={cli.startRollout(draft.release)}
    >
      <form className={classes.form} onSubmit={submit}>
        <Section title="Plan">
          <PlanFields
            draft={draft}
            faults={reading.is === "incomplete" ? shown(reading.faults, touched) : {}}
            onChange={(change) => {
              setDraft({ ...draft, ...change });
              setTouched(new Set([...touched, ...Object.keys(change)]));
            }}
          />
        </Section>
        <Section title="Preview">
          <PlanPreview reading={reading} />
          {start.error && <ProblemNote error={start.error} />}
          <Button type="submit" mt="md" fullWidth disabled={reading.is !== "plan" || !allowed.allowed} loading={start.isPending}>
            Start the rollout
          </Button>
          {!allowed.allowed && <p>{allowed.because}</p>}
        </Section>
      </form>
    </Page>
  );
}

/** A field says what it lacks once somebody has been at it. */
const shown = (faults: Record<string, string>, touched: ReadonlySet<string>): Record<string, string> =>
  Object.fromEntries(Object.entries(faults).filter(([field]) => touched.has(field)));
