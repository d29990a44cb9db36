import { type Scope, seconds } from "@tenfold/base";
import type { Bus, Clock, Log, Metrics } from "../kernel/index.ts";
import type { Endpoint } from "./endpoint.ts";
import { type Limits, ticksOf } from "./limits.ts";

type Parts = {
  bus: Bus;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  limits: Limits;
  tick(): number;
  contact?(device: string, scope: Scope, at: number): void;
  refused?(device: string, scope: Scope, refusal: { because: string; detail: string; at: number }): void;
};

export type Reports = Pick<
  Endpoint,
  "openCount" | "refused" | "opened" | "closed" | "inputRefused" | "contact" | "counted" | "failed"
> & { look(): void };

/** Tells the rest of the platform, the log and the metrics what happens at the endpoints. */
export function createReports(parts: Parts): Reports {
  const { bus, clock, log, metrics, limits, tick } = parts;
  const connections = metrics.gauge("tenfold_links_connections", "Open MQTT connections of devices.");
  const messages = metrics.counter("tenfold_links_messages_total", "Messages from devices, by what became of them.", [
    "transport",
    "channel",
    "result",
  ]);
  const refusals = metrics.counter("tenfold_links_refused_total", "Connections and messages that the endpoints refused.", [
    "because",
  ]);
  const contacts = new Map<string, number>();
  // What nobody with a certificate of ours does can be done by anybody, as often as he likes: the metric counts it, the log tells the first of each second.
  let strangers = { told: 0, untold: 0 };
  let open = 0;
  return {
    openCount: () => open,
    refused({ because, ...fields }) {
      refusals.inc({ because });
      if (fields.device !== undefined || strangers.told < strangersTold) log.warn("link.refused", { because, ...fields });
      else strangers.untold += 1;
      if (fields.device === undefined) strangers.told += 1;
    },
    opened({ device, scope }, remoteAddress) {
      connections.set(++open);
      log.debug("link.opened", { device, remoteAddress });
      bus.publish({ type: "device.connected", subject: device, data: { fleet: scope.fleet, transport: "mqtt" } });
    },
    closed({ device, scope }, { because, detail }) {
      connections.set(--open);
      log[ordinary.has(because) ? "debug" : "warn"]("link.closed", { device, because, detail });
      bus.publish({ type: "device.disconnected", subject: device, data: { fleet: scope.fleet, transport: "mqtt", because } });
    },
    inputRefused({ device, scope }, { because, detail }) {
      refusals.inc({ because });
      log.warn("link.input_refused", { device, because, detail });
      bus.publish({ type: "device.input_refused", subject: device, data: { fleet: scope.fleet, because, detail } });
      parts.refused?.(device, scope, { because, detail, at: clock.now() });
    },
    contact({ device, scope }) {
      const last = contacts.get(device);
      if (last !== undefined && tick() - last < ticksOf(limits.contactMs)) return;
      contacts.set(device, tick());
      parts.contact?.(device, scope, clock.now());
    },
    counted: (labels, many) => messages.inc(labels, many),
    failed: (event, fields) => log.error(event, fields),
    look() {
      if (tick() % ticksOf(seconds(1)) === 0) {
        if (strangers.untold > 0) log.warn("link.refused_more", { times: strangers.untold });
        strangers = { told: 0, untold: 0 };
      }
      // The memory of contacts is as long as it is needed for, and no longer.
      if (tick() % ticksOf(limits.contactMs) !== 0) return;
      for (const [device, at] of contacts) if (tick() - at >= ticksOf(limits.contactMs)) contacts.delete(device);
    },
  };
}

/** Refusals of connections without a device's name that the log tells in a second. */
const strangersTold = 10;

/** Ends that are no news. */
const ordinary: ReadonlySet<string> = new Set(["device_left", "connection_lost", "shutting_down"]);
