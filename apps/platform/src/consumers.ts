import type { Json } from "@tenfold/base";
import { type CommandResult, type DeploymentReport, type DeviceEvent, deploymentReport, type Heartbeat } from "@tenfold/contracts";
import { type Commands, readCommandResult } from "./commands/index.ts";
import type { Enrollment } from "./enrollment/index.ts";
import { type Registry, readReportedPatch } from "./registry/index.ts";
import type { Rollouts } from "./rollouts/index.ts";
import { bySchema, decodeEvent, decodeHeartbeat, type Intake, type Item } from "./telemetry/index.ts";

type Consumers = { registry: Registry; enrollment: Enrollment; rollouts: Rollouts; commands: Commands };

/** Who said it and when; the certificate and our clock say so, not the payload. */
const origin = ({ message: { device, scope, receivedAt: at } }: Item<unknown>) => ({ device, scope, at });
/** The id that stood in the topic; a channel that has one never comes without. */
const named = ({ message }: Item<unknown>): string => message.id ?? "";

/**
 * Who takes in what devices say, beside telemetry's own consumers. Each is called after the message is durable, perhaps twice, and
 * changes nothing the second time. The names are part of what makes a replay exact: they are never changed.
 */
export function consumeMessages(intake: Intake, { registry, enrollment, rollouts, commands }: Consumers): void {
  intake.consume<Heartbeat>("heartbeat", {
    name: "identity",
    decode: decodeHeartbeat,
    apply: (batch) =>
      enrollment.observeHeartbeats(
        batch.map((item) => ({ ...origin(item), bootId: item.value.bootId, roots: item.value.trust?.roots })),
      ),
  });
  intake.consume<Heartbeat>("heartbeat", {
    name: "contacts",
    decode: decodeHeartbeat,
    apply: (batch) => registry.recordContacts(batch.map((item) => ({ ...origin(item), heartbeat: item.value }))),
  });
  intake.consume<Heartbeat>("heartbeat", {
    name: "verified-boots",
    decode: decodeHeartbeat,
    apply: (batch) => rollouts.observeHeartbeats(batch.map((item) => ({ ...origin(item), heartbeat: item.value }))),
  });
  intake.consume<DeviceEvent>("events", {
    name: "guarded-events",
    decode: decodeEvent,
    apply: (batch) => rollouts.observeEvents(batch.map((item) => ({ ...origin(item), event: item.value }))),
  });
  intake.consume<Json>("state", {
    name: "reported-state",
    decode: readReportedPatch,
    apply: (batch) => registry.recordReported(batch.map((item) => ({ ...origin(item), patch: item.value }))),
  });
  intake.consume<Json>("state", {
    name: "followed-state",
    decode: readReportedPatch,
    apply: (batch) => commands.observeReported(batch.map((item) => ({ ...origin(item), patch: item.value }))),
  });
  intake.consume<CommandResult>("command", {
    name: "command-results",
    decode: readCommandResult,
    apply: (batch) => commands.observeResults(batch.map((item) => ({ ...origin(item), command: named(item), result: item.value }))),
  });
  intake.consume<DeploymentReport>("deployment", {
    name: "deployment-reports",
    decode: bySchema(deploymentReport, "deployment_report_invalid"),
    apply: (batch) =>
      rollouts.observeReports(batch.map((item) => ({ ...origin(item), deployment: named(item), report: item.value }))),
  });
}
