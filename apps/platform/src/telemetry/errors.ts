import { defineProblems } from "@tenfold/base";

/** Why a message is refused for good (docs/protocol/telemetry.md, section 6). Closed: devices and dashboards may rely on it. */
export const refusals = [
  "channel_unsupported",
  "payload_empty",
  "payload_too_large",
  "format_unknown",
  "json_invalid",
  "cbor_invalid",
  "protobuf_invalid",
  "alias_unknown",
  "record_invalid",
  "version_unsupported",
  "metric_invalid",
  "value_missing",
  "value_unsupported",
  "value_not_finite",
  "text_too_long",
  "time_invalid",
  "unit_invalid",
  "too_many_points",
  "metric_budget_exceeded",
  "sequence_invalid",
  "heartbeat_invalid",
  "event_invalid",
  "logs_invalid",
  "deployment_report_invalid",
  "state_invalid",
  "command_result_invalid",
  "decoder_failed",
] as const;
export type Refusal = (typeof refusals)[number];

/** Thrown inside a decoder and caught at its edge: the payload's reader is deep, its answer is one. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly because: Refusal;

  constructor(because: Refusal, detail: string) {
    super(detail);
    this.because = because;
  }
}

/**
 * `deletion_under_way`, `retention_waits`, `export_busy`: later, as it is. `second_person_needed`: somebody else has to do it.
 */
export const telemetryProblems = defineProblems({
  time_range_invalid: 422,
  too_many_devices: 422,
  hold_unknown: 404,
  dead_letter_unknown: 404,
  deletion_under_way: 409,
  second_person_needed: 403,
  retention_waits: 503,
  export_busy: 503,
});
