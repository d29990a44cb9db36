import { humanDuration, parseDuration } from "@tenfold/base";
import { type Rollout, type StepTimeouts, updateSteps } from "@tenfold/contracts";
import { absolute, count, percent } from "../format.ts";
import { AppLink } from "../parts/AppLink.tsx";
import { paths } from "../paths.ts";
import classes from "./rollouts.module.css";
import { writeWindow } from "./window-line.ts";

const lengthOf = (duration: string): string => humanDuration(parseDuration(duration) ?? 0);

const stepsOf = (timeouts: StepTimeouts): string =>
  updateSteps
    .flatMap((step) => {
      const length = timeouts[step];
      return length === undefined ? [] : `${step} ${lengthOf(length)}`;
    })
    .join(", ");

/** What was decided before the rollout began, as sentences. */
export function PlanFacts({ rollout }: { rollout: Rollout }) {
  const { plan } = rollout;
  return (
    <dl className={classes.plan}>
      <dt>Who</dt>
      <dd>
        {plan.filter === "" ? (
          "every active device that the release fits"
        ) : (
          <AppLink to={paths.devices({ filter: plan.filter })}>{plan.filter}</AppLink>
        )}
      </dd>
      <dt>Stages</dt>
      <dd>{plan.stages.map((stage) => percent(stage.share)).join(" → ")}</dd>
      <dt>Gate</dt>
      <dd>halts when more than {percent(plan.haltAbove)} of a stage failed, fell silent or rolled back</dd>
      <dt>Guards</dt>
      <dd>
        {plan.guards.watch.length === 0
          ? "nothing is compared with devices not yet updated"
          : `${plan.guards.watch.join(", ")}, compared with devices not yet updated`}
      </dd>
      <dt>Deadline</dt>
      <dd>{lengthOf(plan.deadline)} from offer to verified boot; silence past it is a failure</dd>
      {plan.stepTimeouts && (
        <>
          <dt>Each step</dt>
          <dd>{stepsOf(plan.stepTimeouts)}; a device that is heard and takes longer has failed</dd>
        </>
      )}
      {plan.windows.length > 0 && (
        <>
          <dt>Windows</dt>
          <dd>
            {plan.windows.map(writeWindow).join("; ")}
            {plan.download === "ahead" && "; devices download before and install inside"}
          </dd>
        </>
      )}
      <dt>Soak</dt>
      <dd>{lengthOf(plan.soak)} of health before the next stage</dd>
      <dt>At once</dt>
      <dd>{count(plan.atOnce)} devices at most</dd>
      <dt>On halt</dt>
      <dd>{plan.onHalt === "roll_back" ? "devices that took it are brought back" : "devices that took it keep it"}</dd>
      <dt>Started</dt>
      <dd>
        {absolute(Date.parse(rollout.createdAt))} by {rollout.createdBy}
      </dd>
    </dl>
  );
}
