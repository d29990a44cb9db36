import { humanDuration } from "@tenfold/base";
import type { Deployment, DeploymentStep } from "@tenfold/contracts";
import { When } from "../parts/When.tsx";
import classes from "./rollouts.module.css";

/** How long each step of an update took; of the one that goes on, until when it may. */
export function DeploymentSteps({ deployment: { steps } }: { deployment: Pick<Deployment, "steps"> }) {
  if (steps.length === 0) return "–";
  return (
    <ul className={classes.steps}>
      {steps.map((step) => (
        <li key={step.step}>
          {step.step} {took(step)}
          {step.deadlineAt !== undefined && (
            <>
              , until <When at={step.deadlineAt} />
            </>
          )}
        </li>
      ))}
    </ul>
  );
}

function took({ from, to }: DeploymentStep): string {
  return to === undefined ? "goes on" : humanDuration(Date.parse(to) - Date.parse(from));
}
