import { Button, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, planName } from "@tenfold/contracts";
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
import { FilterField, PlanFields } from "./PlanFields.tsx";
import { fillFrom } from "./PlanPicker.tsx";
import { newDraft, templateOf } from "./plan.ts";
import { readPlan } from "./plan-read.ts";
import classes from "./rollouts.module.css";

/** A stored plan, to be read, changed, or stored under another name. */
export function EditPlanPage() {
  const named = useSearchWord("name");
  const plans = useQuery(ask(api.listRolloutPlans, {}));
  const stored = plans.data?.items.find(({ name }) => name === named);
  const [name, setName] = useState(named ?? "");
  const [note, setNote] = useState("");
  // What every plan has a release for is chosen at the start; here any stands for it.
  const [draft, setDraft] = useState(() => newDraft("any"));
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when it is known: what is typed afterwards stays
  useEffect(() => {
    if (stored === undefined) return;
    setDraft((before) => fillFrom(stored, before));
    setNote(stored.note);
  }, [stored?.name]);
  const reading = readPlan(draft);
  const allowed = useMay(api.saveRolloutPlan);
  const go = useGo();
  const queries = useQueryClient();
  const save = useMutation({
    mutationFn: () => {
      if (reading.is !== "plan") throw new Error("The plan is not complete yet.");
      return client.call(api.saveRolloutPlan, { params: { name }, body: { note, plan: templateOf(reading.plan) } });
    },
    onSuccess: async () => {
      await queries.invalidateQueries();
      go(paths.plans());
    },
  });
  const fit = planName.safeParse(name).success;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (reading.is === "plan" && fit && allowed.allowed) save.mutate();
  };
  return (
    <Page
      title={named === undefined ? "New plan" : `Plan ${named}`}
      name={named === undefined ? "New plan" : `Plan ${named}`}
      above={<AppLink to={paths.plans()}>Rollout plans</AppLink>}
      lead="What is as usual is not stored, so that it follows the defaults. Storing under another name makes a copy."
      cli={cli.savePlan(name)}
    >
      <form className={classes.plainForm} onSubmit={submit}>
        <Section title="Name and purpose">
          <div className={classes.fields}>
            <TextInput
              label="Name"
              required
              description="Lower-case letters, digits and hyphens."
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              error={name === "" || fit ? undefined : "Lower-case letters, digits and hyphens, at most 40."}
            />
            <TextInput
              label="What it is for"
              description="A sentence for those who pick it."
              maxLength={500}
              value={note}
              onChange={(event) => setNote(event.currentTarget.value)}
            />
          </div>
        </Section>
        <Section title="Terms">
          <FilterField draft={draft} onChange={(change) => setDraft({ ...draft, ...change })} />
          <PlanFields
            draft={draft}
            faults={reading.is === "incomplete" ? reading.faults : {}}
            onChange={(change) => setDraft({ ...draft, ...change })}
          />
        </Section>
        {save.error && <ProblemNote error={save.error} />}
        <div className={classes.buttons}>
          <Button type="submit" disabled={reading.is !== "plan" || !fit || !allowed.allowed} loading={save.isPending}>
            Store the plan
          </Button>
          {!allowed.allowed && <span>{allowed.because}</span>}
          {stored?.builtIn && name === named && (
            <span>A plan of your own with this name takes the built-in one&rsquo;s place.</span>
          )}
        </div>
      </form>
    </Page>
  );
}
