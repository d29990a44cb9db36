import { useQuery } from "@tanstack/react-query";
import { api, type Rollout } from "@tenfold/contracts";
import { cli } from "../cli.ts";
import { count, counted, localTimes } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { Section } from "../parts/Section.tsx";
import { Badge } from "../parts/Status.tsx";
import { useIdInPath } from "../parts/search.ts";
import { phaseLook } from "../parts/tones.ts";
import { When } from "../parts/When.tsx";
import { paths } from "../paths.ts";
import { ask } from "../queries.ts";
import { Page } from "../shell/Page.tsx";
import { Approvals } from "./Approvals.tsx";
import { CrashEvidence } from "./CrashEvidence.tsx";
import { reached } from "./ladder.ts";
import { PlanFacts } from "./PlanFacts.tsx";
import { Replay } from "./Replay.tsx";
import { RolloutActions } from "./RolloutActions.tsx";
import { RolloutReport } from "./RolloutReport.tsx";
import classes from "./rollouts.module.css";
import { StageLadder } from "./StageLadder.tsx";

const above = <AppLink to={paths.rollouts()}>Rollouts</AppLink>;

/** One rollout, live: how far it has come, what its gates say, and every decision with its evidence. */
export function RolloutPage() {
  const id = useIdInPath();
  const rollout = useQuery({ ...ask(api.getRollout, { params: { id } }), refetchInterval: 5_000 });
  const report = useQuery(ask(api.getRolloutReport, { params: { id } }));
  const known = rollout.data;
  const name = known ? `${known.release.name} ${known.release.version}` : id;
  return (
    <Page
      name={name}
      title={name}
      above={above}
      lead={known && <Lead rollout={known} />}
      actions={known && <RolloutActions rollout={known} />}
      cli={cli.rollout(id)}
    >
      <Answer of={rollout} lines={8}>
        {(found) => (
          <>
            <Figures rollout={found} />
            <div className={classes.columns}>
              <Section title="Stage ladder">
                <StageLadder rollout={found} decisions={report.data?.decisions ?? []} />
              </Section>
              <Section title="Plan">
                <PlanFacts rollout={found} />
              </Section>
            </div>
            <Approvals rollout={found} />
            <RolloutReport id={found.id} />
            <CrashEvidence rollout={found.id} />
            <Replay id={found.id} />
          </>
        )}
      </Answer>
    </Page>
  );
}

function Lead({ rollout }: { rollout: Rollout }) {
  return (
    <span className={classes.lead}>
      <Badge look={phaseLook[rollout.phase]} />
      <span>
        {localTimes(rollout.because)} <When at={rollout.since} />
        {rollout.awaitingWindow !== undefined && ` ${count(rollout.awaitingWindow)} have it ready and wait for their window.`}
        {rollout.blocked && !rollout.because.includes(rollout.blocked.because) && ` Waits: ${localTimes(rollout.blocked.because)}`}
        {rollout.freezeOverride && ` Goes on during a freeze: ${rollout.freezeOverride}`}
        {wasHalted(rollout) && (
          <>
            {" "}
            <AppLink to={paths.haltReport(rollout.id)}>Read the halt report</AppLink>
          </>
        )}
      </span>
    </span>
  );
}

/** There is a report as soon as something halted it, a gate or a person. */
const wasHalted = ({ phase }: Rollout): boolean => ["halted", "rolling_back", "rolled_back", "cancelled"].includes(phase);

function Figures({ rollout }: { rollout: Rollout }) {
  const exposed = reached(rollout);
  const figures: [string, string, string][] = [
    [count(rollout.targets), "targets", "devices that the plan names"],
    [count(exposed), "reached so far", `${counted(rollout.targets - exposed, "device")} not touched`],
    [count(rollout.counts.succeeded ?? 0), "verified boots", "reported by a heartbeat after the reboot"],
    [count(rollout.harmed), "harmed", "left failed or silent by the release"],
    [count(rollout.restored), "restored", "brought back to their last good release"],
  ];
  return (
    <ul className={classes.figures} aria-label="Figures">
      {figures.map(([value, word, meaning]) => (
        <li key={word}>
          <b>{value}</b>
          <span>{word}</span>
          <small>{meaning}</small>
        </li>
      ))}
    </ul>
  );
}
