import { type Heartbeat, topicOf } from "@tenfold/contracts";
import type { Body } from "./body.ts";
import type { Picture } from "./picture.ts";

/** A lease of three intervals: two heartbeats may be lost before anybody worries. */
const intervalsPerLease = 3;

export function heartbeatOf(
  { config, memory, running, boot, session, now, mono }: Picture,
  vitals: ReturnType<Body["vitals"]>,
): Heartbeat {
  const { clock = "holdover", trust, ...others } = vitals;
  const generation = memory.trustGeneration === undefined ? {} : { generation: memory.trustGeneration };
  return {
    seq: session.seq,
    bootId: running.bootId,
    uptimeS: Math.max(0, mono - running.bootedAt) / 1_000,
    leaseS: Math.max(1, Math.ceil((intervalsPerLease * config.heartbeatMs) / 1_000)),
    monoS: Math.max(0, mono) / 1_000,
    time: new Date(now).toISOString(),
    clock,
    model: config.model,
    ...(config.hardwareRevision ? { hardwareRevision: config.hardwareRevision } : {}),
    firmware: {
      version: running.version,
      ...(running.hash ? { hash: running.hash } : {}),
      slot: running.slot,
      state: boot.trial?.slot === running.slot ? "trial" : "confirmed",
    },
    ...(trust ? { trust: { ...trust, ...generation } } : {}),
    ...others,
  };
}

/** One measured value. `unit` is a SenML unit (RFC 8428 12.1). */
export type Sample = { readonly metric: string; readonly value: number | string; readonly unit?: string; readonly at?: number };

/** Values as SenML JSON (RFC 8428). `at` counts for those that have no time of their own; times are milliseconds. */
export function senml(samples: readonly Sample[], at: number): string {
  const records = samples.map(({ metric, value, unit, at: own }, i) => ({
    ...(i === 0 ? { bt: at / 1_000 } : {}),
    n: metric,
    ...(unit ? { u: unit } : {}),
    ...(typeof value === "number" ? { v: value } : { vs: value }),
    // Milliseconds, so that base time and time add up to what was measured and not to a float beside it.
    ...(own === undefined || own === at ? {} : { t: (own - at) / 1_000 }),
  }));
  return JSON.stringify(records);
}

export const topics = (device: string) => ({
  telemetry: topicOf(device, "telemetry"),
  heartbeat: topicOf(device, "heartbeat"),
  events: topicOf(device, "events"),
  next: topicOf(device, "deployments/next"),
  command: (id: string) => topicOf(device, `commands/${id}`),
  result: (id: string) => topicOf(device, `commands/${id}/result`),
  desired: topicOf(device, "state/desired"),
  identity: topicOf(device, "identity"),
  reported: topicOf(device, "state/reported"),
  deployment: (id: string) => topicOf(device, `deployments/${id}`),
});
