import { useQuery } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { cli } from "../cli.ts";
import { KpiTiles } from "../kpi/KpiTiles.tsx";
import { AlertList } from "../monitoring/AlertList.tsx";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { Icon } from "../parts/icons.tsx";
import { Section } from "../parts/Section.tsx";
import { toneColor } from "../parts/tones.ts";
import { paths } from "../paths.ts";
import { ask } from "../queries.ts";
import { Page } from "../shell/Page.tsx";
import { FirmwareShares } from "./FirmwareShares.tsx";
import { FirstDevice } from "./FirstDevice.tsx";
import classes from "./overview.module.css";
import { ReachBar } from "./ReachBar.tsx";
import { RecentRollouts } from "./RecentRollouts.tsx";
import { fleetVerdict } from "./verdict.ts";

/** Is the fleet all right, and what needs me? */
export function OverviewPage() {
  // Late and offline come with time alone, without an event: ask again by the clock too.
  const summary = useQuery({ ...ask(api.summarizeDevices, { query: {} }), refetchInterval: 10_000 });
  const rollouts = useQuery(ask(api.listRollouts, { query: { limit: 5 } }));
  const alerts = useQuery(ask(api.listAlerts, { query: { state: "firing", limit: 50 } }));
  return (
    <Page title="Overview" name="Overview" cli={cli.status()}>
      <Answer of={summary} lines={8}>
        {(fleet) =>
          fleet.total === 0 ? (
            <FirstDevice />
          ) : (
            <>
              <Verdict picture={{ summary: fleet, rollouts: rollouts.data?.items ?? [], alerts: alerts.data?.items ?? [] }} />
              <Section title="Reach" aside={<AppLink to={paths.devices()}>All devices</AppLink>}>
                <ReachBar connectivity={fleet.connectivity} lifecycle={fleet.lifecycle} />
              </Section>
              <KpiTiles />
              <div className={classes.columns}>
                <Section title="Rollouts" aside={<AppLink to={paths.rollouts()}>All rollouts</AppLink>}>
                  <Answer of={rollouts}>{({ items }) => <RecentRollouts rollouts={items.slice(0, 4)} />}</Answer>
                </Section>
                <Section title="Firmware">
                  <FirmwareShares firmware={fleet.firmware} total={fleet.total} />
                </Section>
              </div>
              <Section title="Firing alerts" aside={<AppLink to={paths.alerts()}>All alerts</AppLink>}>
                <Answer of={alerts}>
                  {({ items }) => (
                    <AlertList alerts={items} none="Nothing fires. Alerts appear here with why, since when, and what to do next." />
                  )}
                </Answer>
              </Section>
            </>
          )
        }
      </Answer>
    </Page>
  );
}

function Verdict({ picture }: { picture: Parameters<typeof fleetVerdict>[0] }) {
  const { sentence, tone } = fleetVerdict(picture);
  const icon = { ok: "online", warn: "warning", bad: "halted" } as const;
  return (
    <p className={classes.verdict} style={{ "--tone": toneColor[tone] }}>
      <Icon name={icon[tone]} size={26} /> {sentence}
    </p>
  );
}
