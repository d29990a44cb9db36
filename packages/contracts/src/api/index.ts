import { accessOperations } from "./access.ts";
import { alertOperations } from "./alerts.ts";
import { attestationOperations } from "./attestations.ts";
import { commandOperations } from "./commands.ts";
import { crashOperations } from "./crashes.ts";
import { deadLetterOperations } from "./dead-letters.ts";
import { deviceOperations, groupOperations } from "./devices.ts";
import { enrollmentOperations } from "./enrollments.ts";
import { kpiOperations } from "./kpis.ts";
import { limitOperations } from "./limits.ts";
import { metadataOperations } from "./metadata.ts";
import { releaseOperations } from "./releases.ts";
import { rolloutGovernanceOperations } from "./rollout-governance.ts";
import { rolloutOperations } from "./rollouts.ts";
import { telemetryOperations } from "./telemetry.ts";
import { transferOperations } from "./transfers.ts";

/** Every operation of the operator API. A test holds this table against the routes that the server serves. */
export const api = {
  ...accessOperations,
  ...alertOperations,
  ...attestationOperations,
  ...commandOperations,
  ...crashOperations,
  ...deadLetterOperations,
  ...deviceOperations,
  ...enrollmentOperations,
  ...groupOperations,
  ...kpiOperations,
  ...limitOperations,
  ...metadataOperations,
  ...releaseOperations,
  ...rolloutGovernanceOperations,
  ...rolloutOperations,
  ...telemetryOperations,
  ...transferOperations,
};

export * from "./access.ts";
export * from "./alerts.ts";
export * from "./attestations.ts";
export * from "./channels.ts";
export * from "./client.ts";
export * from "./commands.ts";
export * from "./common.ts";
export * from "./crashes.ts";
export * from "./dead-letters.ts";
export * from "./devices.ts";
export * from "./enrollments.ts";
export * from "./events.ts";
export * from "./guards.ts";
export * from "./halt-report.ts";
export * from "./kpis.ts";
export * from "./limits.ts";
export * from "./metadata.ts";
export * from "./operation.ts";
export * from "./permissions.ts";
export * from "./releases.ts";
export * from "./rollout-governance.ts";
export * from "./rollout-plan.ts";
export * from "./rollouts.ts";
export * from "./telemetry.ts";
export * from "./transfers.ts";
export * from "./update-status.ts";
