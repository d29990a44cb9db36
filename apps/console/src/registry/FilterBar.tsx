import { Button, TextInput, UnstyledButton } from "@mantine/core";
import { type FormEvent, useEffect, useState } from "react";
import { checkFilter, filterExamples } from "./filter.ts";
import classes from "./registry.module.css";

type Props = { filter: string; error: Error | null; onFilter: (filter: string) => void };

/** The filter language, with its examples at hand and its errors where they are made. */
export function FilterBar({ filter, error, onFilter }: Props) {
  const [draft, setDraft] = useState(filter);
  useEffect(() => setDraft(filter), [filter]);
  const wrong = checkFilter(draft);
  const told = wrong ?? (draft === filter && error !== null ? { message: error.message, fix: fixOf(error) } : undefined);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (wrong === undefined) onFilter(draft.trim());
  };
  return (
    <form className={classes.filterBar} onSubmit={submit}>
      <TextInput
        className={classes.filterField ?? ""}
        aria-label="Filter"
        placeholder="tag:site=berlin status:offline fw:<1.4.0 lastSeen:>2h -group:lab"
        classNames={{ input: classes.filterInput ?? "" }}
        spellCheck={false}
        autoComplete="off"
        value={draft}
        onChange={(event) => setDraft(event.currentTarget.value)}
        error={told && <FilterError draft={draft} message={told.message} at={wrong?.at} fix={told.fix} />}
      />
      <Button type="submit" variant="default">
        Filter
      </Button>
      {filter !== "" && (
        <Button variant="subtle" onClick={() => onFilter("")}>
          Clear
        </Button>
      )}
      <ul className={classes.examples} aria-label="Examples">
        {filterExamples.map(({ filter: example, meaning }) => (
          <li key={example}>
            <UnstyledButton
              className={classes.example}
              title={meaning}
              aria-pressed={filter === example}
              onClick={() => onFilter(filter === example ? "" : example)}
            >
              {example}
            </UnstyledButton>
          </li>
        ))}
      </ul>
    </form>
  );
}

function FilterError({
  draft,
  message,
  at,
  fix,
}: {
  draft: string;
  message: string;
  at: number | undefined;
  fix: string | undefined;
}) {
  return (
    <>
      {at !== undefined && (
        <code className={classes.mark} aria-hidden="true">
          {draft.slice(0, at)}
          <b>{draft.slice(at) || "␣"}</b>
        </code>
      )}
      {message} {fix}
    </>
  );
}

const fixOf = (error: Error): string | undefined => ("fix" in error && typeof error.fix === "string" ? error.fix : undefined);
