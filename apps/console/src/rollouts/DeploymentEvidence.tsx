import type { Deployment } from "@tenfold/contracts";
import classes from "./rollouts.module.css";

/** What the device said, and its last log lines. */
export function DeploymentEvidence({ deployment }: { deployment: Deployment }) {
  if (deployment.log.length === 0) return deployment.detail ?? "–";
  return (
    <details className={classes.evidence}>
      <summary>{deployment.detail ?? `${deployment.log.length} log lines`}</summary>
      <pre>{deployment.log.join("\n")}</pre>
    </details>
  );
}
