import { useQuery } from "@tanstack/react-query";
import { api, completePlan, type StoredPlan } from "@tenfold/contracts";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { percent } from "../format.ts";
import { ActionButton } from "../parts/ActionButton.tsx";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { Section } from "../parts/Section.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { paths } from "../paths.ts";
import { ask, client } from "../queries.ts";
import { Page } from "../shell/Page.tsx";
import { lengthWord } from "./plan.ts";

const columns: readonly Column<StoredPlan>[] = [
  {
    title: "Plan",
    cell: ({ name, note }) => (
      <>
        <AppLink to={paths.editPlan({ name })}>
          <strong>{name}</strong>
        </AppLink>
        <div style={{ color: "var(--tf-ink-2)", maxWidth: "52ch" }}>{note}</div>
      </>
    ),
  },
  {
    title: "Stages",
    cell: ({ plan }) =>
      whole(plan)
        .stages.map(({ share }) => percent(share))
        .join(" → "),
  },
  { title: "Soak", cell: ({ plan }) => lengthWord(whole(plan).soak) },
  { title: "Approvals", cell: ({ plan }) => whole(plan).approvals, numeric: true },
  {
    title: "Changed",
    cell: ({ builtIn, updatedAt, updatedBy }) =>
      updatedAt ? (
        <>
          <When at={updatedAt} /> by {updatedBy}
        </>
      ) : builtIn ? (
        "built in"
      ) : (
        "–"
      ),
  },
  {
    title: "Use",
    cell: (each) => (
      <span style={{ display: "flex", gap: 8, alignItems: "center" }}>
        <AppLink to={paths.newRollout({ plan: each.name })} aria-label={`Start a rollout by the plan ${each.name}`}>
          Start
        </AppLink>
        {!each.builtIn && <DeletePlan plan={each} />}
      </span>
    ),
  },
];

const whole = (plan: StoredPlan["plan"]) => completePlan({ release: "any" }, plan);

/** Plans that can be started by name: those that every installation has, and one's own. */
export function PlansPage() {
  const plans = useQuery(ask(api.listRolloutPlans, {}));
  return (
    <Page
      title="Rollout plans"
      name="Rollout plans"
      cli={cli.plans()}
      lead="A plan says how carefully a release goes out. A pipeline starts it by its name; rollouts keep the plan that they were started with."
      actions={<AppLink to={paths.editPlan()}>New plan</AppLink>}
    >
      <Section title="By name">
        <Answer of={plans}>
          {({ items }) => <Table label="Rollout plans" columns={columns} rows={items} keyOf={(each) => each.name} />}
        </Answer>
      </Section>
    </Page>
  );
}

function DeletePlan({ plan: { name, note, plan } }: { plan: StoredPlan }) {
  const allowed = useMay(api.deleteRolloutPlan);
  return (
    <ActionButton
      operation={api.deleteRolloutPlan}
      callWith={() => ({ params: { name } })}
      verb="Delete"
      icon="cross"
      title={`Delete the plan ${name}`}
      cli={cli.deletePlan(name)}
      allowed={allowed}
      reason="none"
      danger
      undo={{
        says: `The plan ${name} is deleted.`,
        run: () => client.call(api.saveRolloutPlan, { params: { name }, body: { note, plan } }),
      }}
    >
      Nobody can start it any more. Rollouts that were started with it go on; a built-in plan of the same name shows again.
    </ActionButton>
  );
}
