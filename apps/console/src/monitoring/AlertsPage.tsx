import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { cli } from "../cli.ts";
import { Answer } from "../parts/Answer.tsx";
import { Section } from "../parts/Section.tsx";
import { useGo, useSearchWord } from "../parts/search.ts";
import { paths } from "../paths.ts";
import { ask } from "../queries.ts";
import { Page } from "../shell/Page.tsx";
import { AlertList } from "./AlertList.tsx";
import { AlertRules } from "./AlertRules.tsx";

/** What is wrong, and the rules that say so. */
export function AlertsPage() {
  const state = useSearchWord("state") === "resolved" ? "resolved" : "firing";
  const go = useGo();
  const alerts = useQuery(ask(api.listAlerts, { query: { state, limit: 200 } }));
  return (
    <Page
      title="Alerts"
      name="Alerts"
      cli={cli.alerts()}
      lead="One alert for one cause. Each says why, since when, compared with what, and what to do next."
    >
      <Section
        title={state === "firing" ? "Firing now" : "Resolved"}
        aside={
          <SegmentedControl
            size="xs"
            aria-label="Which alerts"
            value={state}
            onChange={(next) => go(paths.alerts(next === "resolved" ? { state: "resolved" } : {}), "replace")}
            data={[
              { value: "firing", label: "Firing" },
              { value: "resolved", label: "Resolved" },
            ]}
          />
        }
      >
        <Answer of={alerts}>
          {({ items }) => <AlertList alerts={items} none={state === "firing" ? "Nothing fires." : "Nothing was resolved yet."} />}
        </Answer>
      </Section>
      <AlertRules />
    </Page>
  );
}
