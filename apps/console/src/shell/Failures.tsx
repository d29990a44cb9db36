import type { ErrorComponentProps } from "@tanstack/react-router";
import { cli } from "../cli.ts";
import { AppLink } from "../parts/AppLink.tsx";
import { ProblemNote } from "../parts/ProblemNote.tsx";
import { Empty } from "../parts/Section.tsx";
import { paths } from "../paths.ts";
import { Page } from "./Page.tsx";

export function FailedPage({ error, reset }: ErrorComponentProps) {
  return (
    <Page title="This page failed" name="Failed" cli={cli.status()}>
      <ProblemNote error={error instanceof Error ? error : new Error(String(error))} retry={reset} />
    </Page>
  );
}

export function MissingPage() {
  return (
    <Page title="No such page" name="No such page" cli={cli.status()}>
      <Empty title="Nothing lives at this address.">
        <AppLink to={paths.overview()}>Go to the overview</AppLink>
      </Empty>
    </Page>
  );
}
