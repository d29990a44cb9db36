import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { bytes, counted } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { Empty } from "../parts/Section.tsx";
import { When } from "../parts/When.tsx";
import { client } from "../queries.ts";
import { stageName, stageReach } from "./ladder.ts";
import type { PlanReading } from "./plan.ts";
import classes from "./rollouts.module.css";

/** The dry run of a plan: who in which stage, who not and why, and the most devices that a bad release could harm. */
export function PlanPreview({ reading }: { reading: PlanReading }) {
  const [settled] = useDebouncedValue(reading.is === "plan" ? JSON.stringify(reading.plan) : undefined, 350);
  const preview = useQuery({
    queryKey: [api.previewRollout.name, settled],
    queryFn: ({ signal }) => {
      if (reading.is !== "plan") throw new Error("The plan is not complete yet.");
      return client.call(api.previewRollout, { body: reading.plan }, { signal });
    },
    enabled: settled !== undefined && reading.is === "plan",
    placeholderData: keepPreviousData,
  });
  if (reading.is === "incomplete") return <Empty title="The plan is not complete yet.">{Object.values(reading.faults)[0]}</Empty>;
  return (
    <Answer of={preview}>
      {({ targets, stages, bytes: size, excluded, worstCaseExposed, strata, estimate, approvalsNeeded, blocked }) => (
        <div className={classes.preview}>
          <p>
            <b>{counted(targets, "device")}</b> would be updated; {bytes(size)} go out in all.
          </p>
          <ol aria-label="Stages">
            {stages.map((stage, index) => (
              <li key={stage.share}>
                <span>{stageName({ index, share: stage.share })}</span>
                <span>
                  <i style={{ width: `${Math.sqrt(stage.share) * 100}%` }} />
                </span>
                <span>{stageReach({ index, ...stage })}</span>
              </li>
            ))}
          </ol>
          <p className={classes.exposed}>
            If this release is bad, at most <b>{counted(worstCaseExposed, "device")}</b> meet it before the canary's gate closes.
          </p>
          <p>
            It ends <When at={estimate.endsAt} />, if all goes well. {estimate.assumptions.join(" ")}
          </p>
          {approvalsNeeded > 0 && <p>{counted(approvalsNeeded, "approval")} needed before it begins.</p>}
          {blocked && <p>It would wait: {blocked.because}</p>}
          {strata.map(({ stratum, devices, canary }) => (
            <p key={stratum}>
              {stratum}: {counted(devices, "device")}, {canary} of them in the canary
            </p>
          ))}
          {excluded.map(({ because, devices }) => (
            <p key={because}>
              {counted(devices, "device")} left out: {because}
            </p>
          ))}
        </div>
      )}
    </Answer>
  );
}
