import type { LiveEvent, LiveEventType } from "@tenfold/contracts";
import type { Clock } from "./clock.ts";

export type BusMessage = { type: LiveEventType; subject: string; data: LiveEvent["data"] };
export type BusListener = (event: LiveEvent) => void;

/** Tells the parts of one process what just happened. A hint that saves waiting, never the truth: whoever must know also looks. */
export type Bus = {
  publish(message: BusMessage): void;
  /** Returns the function that ends the subscription. */
  subscribe(listener: BusListener): () => void;
  /** The kept events after `id`, oldest first; undefined when some of them are no longer kept. */
  since(id: number): LiveEvent[] | undefined;
};

const kept = 2_000;

export function createBus(clock: Clock): Bus {
  const listeners = new Set<BusListener>();
  const recent: LiveEvent[] = [];
  // Ids go on rising after a restart, so that a browser which resumes is told that it missed something.
  let next = clock.now();
  return {
    publish({ type, subject, data }) {
      const event: LiveEvent = { id: next++, type, at: new Date(clock.now()).toISOString(), subject, data };
      recent.push(event);
      if (recent.length > kept) recent.splice(0, recent.length - kept);
      for (const listener of listeners) listener(event);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    since(id) {
      const first = recent[0]?.id ?? next;
      return id + 1 < first ? undefined : recent.filter((event) => event.id > id);
    },
  };
}
