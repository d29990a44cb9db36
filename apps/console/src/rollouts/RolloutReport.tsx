import { useQuery } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { count, words } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { ask } from "../queries.ts";
import { Decisions } from "./Decisions.tsx";
import { HarmedDevices, NotRestored } from "./HarmedDevices.tsx";
import classes from "./rollouts.module.css";

/** Why it went as it went: decisions with their evidence, reasons of failure, harmed devices. */
export function RolloutReport({ id }: { id: string }) {
  const report = useQuery(ask(api.getRolloutReport, { params: { id } }));
  return (
    <Answer of={report} lines={6}>
      {({ decisions, reasons, harmed, notRestored }) => (
        <>
          <div className={classes.columns}>
            <Section title="Decisions">
              <Decisions decisions={decisions} />
            </Section>
            <Section title="Top reasons of failure">
              <Reasons reasons={reasons} />
            </Section>
          </div>
          <HarmedDevices harmed={harmed} />
          {notRestored.length > 0 && <NotRestored devices={notRestored} />}
        </>
      )}
    </Answer>
  );
}

function Reasons({ reasons }: { reasons: readonly { reason: string; devices: number }[] }) {
  if (reasons.length === 0) return <Empty title="None so far." />;
  const most = Math.max(...reasons.map((each) => each.devices));
  return (
    <ul className={classes.reasons}>
      {reasons.map(({ reason, devices }) => (
        <li key={reason}>
          <span>{words(reason)}</span>
          <b>{count(devices)}</b>
          <i style={{ width: `${(devices / most) * 100}%` }} />
        </li>
      ))}
    </ul>
  );
}
