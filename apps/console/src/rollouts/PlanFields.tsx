import { Checkbox, Select, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { counted } from "../format.ts";
import { ask } from "../queries.ts";
import { checkFilter } from "../registry/filter.ts";
import { newDraft, type PlanDraft } from "./plan.ts";
import { type Field, type Group, groups } from "./plan-groups.ts";
import type { Faults } from "./plan-read.ts";
import classes from "./rollouts.module.css";

type Props = { draft: PlanDraft; faults: Faults; onChange: (change: Partial<PlanDraft>) => void };

/** Which release, and to whom: what a stored plan leaves open. */
export function TargetFields({ draft, faults, onChange }: Props) {
  const releases = useQuery(ask(api.listReleases, { query: { limit: 200 } }));
  const usable = releases.data?.items.filter((each) => !each.retired) ?? [];
  return (
    <div className={classes.fields}>
      <Select
        className={classes.wide ?? ""}
        label="Release"
        required
        placeholder={usable.length === 0 ? "No release yet" : "Choose one"}
        data={usable.map((each) => ({
          value: each.id,
          label: `${each.name} ${each.version} (${each.models.join(", ") || "any model"})`,
        }))}
        value={usable.find((each) => each.id === draft.release || each.version === draft.release)?.id ?? null}
        onChange={(value) => onChange({ release: value ?? "" })}
        error={faults.release}
      />
      <FilterField draft={draft} onChange={onChange} />
    </div>
  );
}

export function FilterField({ draft, onChange }: Pick<Props, "draft" | "onChange">) {
  return (
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
  );
}

/** The terms of a plan, in groups that say how far they are from the defaults. */
export function PlanFields(props: Props) {
  return groups.map((group, place) => <GroupFields key={group.title} group={group} first={place === 0} {...props} />);
}

function GroupFields({ group, first, ...props }: Props & { group: Group; first: boolean }) {
  const { draft, faults } = props;
  const usual = newDraft("");
  const changed = group.fields.filter(({ field }) => draft[field] !== usual[field]).length;
  const faulty = group.fields.some(({ field }) => faults[field] !== undefined);
  return (
    <details className={classes.group} open={first || faulty || undefined}>
      <summary>
        <b>{group.title}</b>
        <span>{group.lead}</span>
        <em>{changed === 0 ? "as usual" : `${counted(changed, "field")} changed`}</em>
      </summary>
      <div className={classes.fields}>
        {group.fields.map((field) => (
          <OneField key={field.field} field={field} {...props} />
        ))}
      </div>
    </details>
  );
}

function OneField({ field: shape, draft, faults, onChange }: Props & { field: Field }) {
  const common = {
    ...{ label: shape.label, description: shape.description, error: faults[shape.field] },
    ...(shape.wide ? { className: classes.wide ?? "" } : {}),
  };
  switch (shape.kind) {
    case "text":
    case "lines": {
      const Input = shape.kind === "text" ? TextInput : Textarea;
      return (
        <Input
          {...common}
          {...(shape.placeholder === undefined ? {} : { placeholder: shape.placeholder })}
          {...(shape.kind === "lines" ? { autosize: true, minRows: 2 } : {})}
          spellCheck={false}
          value={draft[shape.field]}
          onChange={(event) => onChange({ [shape.field]: event.currentTarget.value })}
        />
      );
    }
    case "check":
      return (
        <Checkbox
          {...common}
          mt="lg"
          checked={draft[shape.field]}
          onChange={(event) => onChange({ [shape.field]: event.currentTarget.checked })}
        />
      );
    case "choice":
      return (
        <Select
          {...common}
          allowDeselect={false}
          data={shape.options}
          value={draft[shape.field]}
          onChange={(value) => value !== null && onChange({ [shape.field]: value })}
        />
      );
  }
}
