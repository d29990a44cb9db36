import type { Scope } from "@tenfold/base";
import type { TimelineEntry } from "@tenfold/contracts";
import type { TimelineSource } from "./registry/index.ts";
import type { Telemetry } from "./telemetry/index.ts";

/** Events of the column store, as entries of a device's timeline. */
export const eventsTimeline =
  (telemetry: Pick<Telemetry, "deviceEvents">): TimelineSource =>
  async (scope: Scope, device: string, limit: number): Promise<TimelineEntry[]> => {
    const events = await telemetry.deviceEvents(scope, device, limit);
    return events.map(({ at, type, severity, detail }) => ({
      at: new Date(at).toISOString(),
      kind: `event.${type}`,
      severity,
      text: type.replaceAll("_", " "),
      detail,
    }));
  };
