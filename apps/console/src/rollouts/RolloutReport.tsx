import { useQuery } from "@tanstack/react-query";
import { api, type RolloutDecision } from "@tenfold/contracts";
import { count, sentence, words } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { Status } from "../parts/Status.tsx";
import { Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { paths } from "../paths.ts";
import { ask } from "../queries.ts";
import { deploymentLook } from "./deployment.ts";
import classes from "./rollouts.module.css";

/** Why it went as it went: decisions with their evidence, reasons of failure, harmed devices. */
export function RolloutReport({ id }: { id: string }) {
  const report = useQuery(ask(api.getRolloutReport, { params: { id } }));
  return (
    <Answer of={report} lines={6}>
      {({ decisions, reasons, harmed }) => (
        <>
          <div className={classes.columns}>
            <Section title="Decisions">
              <Decisions decisions={decisions} />
            </Section>
            <Section title="Top reasons of failure">
              <Reasons reasons={reasons} />
            </Section>
          </div>
          <Section title={`Harmed devices (${count(harmed.length)})`}>
            {harmed.length === 0 ? (
              <Empty title="None.">No device was left failed or silent.</Empty>
            ) : (
              <Table
                label="Harmed devices"
                rows={harmed}
                keyOf={(each) => each.device}
                columns={[
                  {
                    title: "Device",
                    cell: (each) => <AppLink to={paths.device(each.device, { tab: "updates" })}>{each.device}</AppLink>,
                  },
                  { title: "State", cell: (each) => <Status look={deploymentLook(each.state)} /> },
                  { title: "Reason", cell: (each) => (each.reason ? sentence(each.reason) : "–") },
                ]}
              />
            )}
          </Section>
        </>
      )}
    </Answer>
  );
}

function Decisions({ decisions }: { decisions: readonly RolloutDecision[] }) {
  if (decisions.length === 0) return <Empty title="Nothing was decided yet." />;
  const newest = decisions.toSorted((a, b) => b.at.localeCompare(a.at));
  return (
    <ol className={classes.decisions}>
      {newest.map((each, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: two decisions may be alike in all they say
        <li key={`${each.at} ${place}`}>
          <p>
            <b>{sentence(each.decision)}</b>
            {each.stage !== undefined && ` in ${each.stage === 0 ? "the canary" : `stage ${each.stage + 1}`}`}
            <span className={classes.when}>
              <When at={each.at} />
            </span>
          </p>
          <p className={classes.because}>{each.because}</p>
          {each.evidence && Object.keys(each.evidence).length > 0 && (
            <details className={classes.evidence}>
              <summary>Evidence</summary>
              <pre>{JSON.stringify(each.evidence, null, 2)}</pre>
            </details>
          )}
        </li>
      ))}
    </ol>
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
