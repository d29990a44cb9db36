import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, type UseQueryResult, useQuery } from "@tanstack/react-query";
import { humanDuration, moneyWord, parseDuration } from "@tenfold/base";
import { api, type RolloutPreview } from "@tenfold/contracts";
import { bytes, count, counted, localTimes } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { Empty } from "../parts/Section.tsx";
import { When } from "../parts/When.tsx";
import { paths } from "../paths.ts";
import { client } from "../queries.ts";
import { stageName, stageReach } from "./ladder.ts";
import type { PlanReading } from "./plan-read.ts";
import classes from "./rollouts.module.css";

/** The dry run of a plan as it stands in its form, asked for anew a moment after each change. */
export function useDryRun(reading: PlanReading): UseQueryResult<RolloutPreview> {
  const [settled] = useDebouncedValue(reading.is === "plan" ? JSON.stringify(reading.plan) : undefined, 350);
  return useQuery({
    queryKey: [api.previewRollout.name, settled],
    queryFn: ({ signal }) => {
      if (reading.is !== "plan") throw new Error("The plan is not complete yet.");
      return client.call(api.previewRollout, { body: reading.plan }, { signal });
    },
    enabled: settled !== undefined && reading.is === "plan",
    placeholderData: keepPreviousData,
  });
}

/** The dry run of a plan: who in which stage, who not and why, how many bytes, how long, and the most that a bad release could harm. */
export function PlanPreview({ reading, preview }: { reading: PlanReading; preview: UseQueryResult<RolloutPreview> }) {
  if (reading.is === "incomplete") return <Empty title="The plan is not complete yet.">{Object.values(reading.faults)[0]}</Empty>;
  return <Answer of={preview}>{(found) => <Preview found={found} />}</Answer>;
}

const lengthOf = (duration: string): string => humanDuration(parseDuration(duration) ?? 0);

function Preview({ found }: { found: RolloutPreview }) {
  const { targets, stages, bytes: size, worstCaseExposed, estimate, approvalsNeeded, blocked } = found;
  if (targets === 0)
    return (
      <div className={classes.preview}>
        <Empty title="No device would get it." />
        <LeftOut excluded={found.excluded} />
      </div>
    );
  return (
    <div className={classes.preview}>
      {found.takenBack && <TakenBack {...found.takenBack} />}
      <dl className={classes.sums}>
        <Sum name="Devices" value={count(targets)} />
        <Sum name="Sent in all" value={bytes(size)} />
        {found.cost && <Sum name="Costs about" value={moneyWord(found.cost)} />}
        <Sum name="Takes about" value={lengthOf(estimate.takes)} />
        <Sum name="Worst case exposed" value={counted(worstCaseExposed, "device")} />
      </dl>
      <ol aria-label="Stages">
        {stages.map((stage, index) => (
          <li key={stage.share}>
            <span>{stageName({ index, share: stage.share })}</span>
            <span>
              <i style={{ width: `${Math.sqrt(stage.share) * 100}%` }} />
            </span>
            <span>{stageReach({ index, ...stage })}</span>
            <small>
              about {lengthOf(stage.takes)} with its soak; at worst {counted(stage.worstCaseExposed, "device")} exposed at its first
              failure
            </small>
          </li>
        ))}
      </ol>
      <p className={classes.exposed}>
        If this release is bad, at most <b>{counted(worstCaseExposed, "device")}</b> meet it before the canary's gate closes.
      </p>
      <p>
        Begun now it ends <When at={estimate.endsAt} />, if all goes well. {estimate.assumptions.join(" ")}
      </p>
      {approvalsNeeded > 0 && <p>{counted(approvalsNeeded, "approval")} of others are needed before it begins.</p>}
      {blocked && (
        <p>
          <b>It would wait:</b> {localTimes(blocked.because)}
        </p>
      )}
      <Detours detours={found.detours} />
      <Kinds strata={found.strata} />
      <LeftOut excluded={found.excluded} />
    </div>
  );
}

function TakenBack({ rollout, at, because }: NonNullable<RolloutPreview["takenBack"]>) {
  return (
    <p role="note" className={classes.exposed}>
      <b>
        This release was taken back <When at={at} />:
      </b>{" "}
      {localTimes(because)} <AppLink to={paths.rollout(rollout)}>See that rollout</AppLink>
    </p>
  );
}

function Sum({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Detours({ detours }: Pick<RolloutPreview, "detours">) {
  if (detours.length === 0) return null;
  return (
    <div>
      <h3>Stepping stones</h3>
      <ul className={classes.lines}>
        {detours.map(({ over, devices, waitsFor = [] }) => (
          <li key={over.join()}>
            {counted(devices, "device")} {devices === 1 ? "boots" : "boot"} {over.join(", then ")} first, verified like the release
            {waitsFor.length > 0 && `, once ${waitsFor.join(" and ")} has completed`}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Kinds({ strata }: Pick<RolloutPreview, "strata">) {
  const named = strata.filter(({ stratum }) => stratum !== "");
  if (named.length === 0) return null;
  return (
    <div>
      <h3>Kinds of device</h3>
      <ul className={classes.lines}>
        {named.map(({ stratum, devices, canary }) => (
          <li key={stratum}>
            <code>{stratum}</code>: {counted(devices, "device")}, {count(canary)} in the canary
          </li>
        ))}
      </ul>
    </div>
  );
}

function LeftOut({ excluded }: Pick<RolloutPreview, "excluded">) {
  if (excluded.length === 0) return null;
  return (
    <div>
      <h3>Left out</h3>
      <ul className={classes.lines}>
        {excluded.map(({ because, devices }) => (
          <li key={because}>
            {counted(devices, "device")}: {because}
          </li>
        ))}
      </ul>
    </div>
  );
}
