import { days, minutes } from "@tenfold/base";
import type { Kpi, KpiName } from "@tenfold/contracts";

export type Definition = {
  title: string;
  unit: Kpi["unit"];
  better: Kpi["better"];
  /** In `unit`. */
  target: number;
  definition: string;
  numerator: string;
  denominator: string;
  exclusions: string[];
  source: string;
};

/** How long a device's exposure is followed: what happens later weighs no more. */
export const horizon = days(14);
export const patchTarget = days(7);

/** What each KPI means, word for word as docs/kpis.md has it (a test holds them together). */
export const definitions: Readonly<Record<KpiName, Definition>> = {
  uptime: {
    title: "Device uptime",
    unit: "ratio",
    better: "higher",
    target: 0.995,
    definition:
      "Reachable uptime: of the time in which devices were expected to be reachable, the share in which they could be reached. Fleet uptime is the sum of reachable device-hours divided by the sum of expected device-hours, never a mean of percentages.",
    numerator:
      "Reachable device-hours: the union of all contact leases of a device (from each contact until its lease ends), as far as the device was expected. Only the platform's clock is used.",
    denominator:
      "Expected device-hours: the time in which a device was active, from its first contact on, without the time in which the platform itself was not at work. A bricked device stays in it, at zero.",
    exclusions: [
      "Time before a device's first contact, and time in which it is expected, pending, suspended, quarantined or retired.",
      "Time in which no platform server was at work; shown beside the number.",
      "Devices tagged kpi=exclude (test rigs, simulators beside real devices); counted beside the number.",
      "Planned windows do not exist yet: planned downtime counts as downtime.",
    ],
    source:
      "Contact spans and lifecycle changes of the registry, gaps in the platform's own signs of life (SQL function kpi.device_time).",
  },
  mttp: {
    title: "Mean time to patch",
    unit: "s",
    better: "lower",
    target: patchTarget / 1_000,
    definition:
      "The average time that a device stays without a released fix, of the first 14 days: the restricted mean of the Kaplan-Meier curve of devices that are not patched yet. The clock of a device starts when the release is published and stops when its heartbeat after the reboot verifies the new version.",
    numerator:
      "The area under the curve from 0 to 14 days, or to the longest time that any device has been followed: devices that are still waiting count with the time they have waited, and are never left out.",
    denominator:
      "Every device that a rollout of the release meant, patched or not, for all releases whose rollouts were open in the period. Until vulnerabilities are tracked, every release counts as a fix.",
    exclusions: [
      "A device that was brought back to the old version is not patched.",
      "A rollout that halted withdraws its fix: from then on its unpatched devices are no longer waiting (censored, not counted as patched).",
    ],
    source: "Verified boots and halts of the rollouts.",
  },
  data_lag: {
    title: "Data lag",
    unit: "ms",
    better: "lower",
    target: minutes(1),
    definition:
      "The time from a measurement on the device until a query returns it: the 95th percentile of all telemetry messages of the period. Store-and-forward and sleepy devices are not excused.",
    numerator:
      "Visible time minus event time of each message. The event time is the device's clock where it is synchronised and plausible, else worked out from its monotonic clock, else the time of receipt.",
    denominator:
      "Every telemetry message that became visible in the period. Devices that send nothing are not in it: they are in device uptime.",
    exclusions: ["Messages that were refused; they are counted on their devices' pages."],
    source: "Mergeable sketches of the intake, one a minute; percentiles are never averaged.",
  },
};
