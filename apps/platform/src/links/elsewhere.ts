import type { Bus } from "../kernel/index.ts";
import type { Directory } from "./directory.ts";
import { farewells } from "./farewells.ts";

const opened = "links.opened";
const changed = "links.changed";

/** What the links of several processes tell each other, so that a device has one connection and hears what is meant for it wherever that is. */
export type Others = {
  /** A device came in here: its older connection elsewhere ends. */
  opened(device: string): void;
  closed(device: string): void;
  /** What a device finds at a topic has changed, and the device is not connected here. */
  refresh(device: string, topic: string): void;
  stop(): void;
};

/** Hears the others and obeys; `directory` is who is connected here. */
export function followOthers({ bus, directory }: { bus: Bus; directory: Directory }): Others {
  const since = new Map<string, number>();
  const leave = [
    // [MQTT-3.1.4-3] The older connection ends. Stamps tell which that is: whoever has heard of one has a later one, whatever the clocks say.
    bus.onHint(opened, (body) => {
      const coming = readComing(body);
      if (coming === undefined || coming.at <= (since.get(coming.device) ?? Number.POSITIVE_INFINITY)) return;
      for (const link of directory.of(coming.device)) if (link.transport === "mqtt" && link.open) link.close(farewells.takenOver);
    }),
    bus.onHint(changed, (body) => {
      const change = readChange(body);
      if (change === undefined) return;
      for (const link of directory.of(change.device)) link.refresh(change.topic);
    }),
  ];
  return {
    opened(device) {
      const at = bus.stamp();
      since.set(device, at);
      bus.hint(opened, { device, at });
    },
    closed: (device) => void since.delete(device),
    refresh: (device, topic) => bus.hint(changed, { device, topic }),
    stop: () => {
      for (const end of leave) end();
    },
  };
}

type Fields = { device?: unknown; at?: unknown; topic?: unknown };
const fieldsOf = (body: unknown): Fields => (typeof body === "object" && body !== null ? body : {});

function readComing(body: unknown): { device: string; at: number } | undefined {
  const { device, at } = fieldsOf(body);
  return typeof device === "string" && typeof at === "number" ? { device, at } : undefined;
}

function readChange(body: unknown): { device: string; topic: string } | undefined {
  const { device, topic } = fieldsOf(body);
  return typeof device === "string" && typeof topic === "string" ? { device, topic } : undefined;
}
