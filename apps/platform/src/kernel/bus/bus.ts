import { randomBytes } from "node:crypto";
import { type LiveEvent, type LiveEventType, liveEventTypes } from "@tenfold/contracts";
import type { Clock } from "../clock.ts";
import { type Envelope, type HintBody, type Item, packItems, readEnvelope } from "./envelope.ts";
import type { BusWire } from "./wire.ts";

export type BusMessage = { type: LiveEventType; subject: string; data: LiveEvent["data"] };
/** Where something happened: in this process, or in another one. */
export type Origin = "here" | "elsewhere";
export type BusListener = (event: LiveEvent, origin: Origin) => void;

/** Tells the parts of all processes what just happened. A hint that saves waiting, never the truth: whoever must know also looks. */
export type Bus = {
  /** Names this process. */
  readonly node: string;
  publish(message: BusMessage): void;
  /** Returns the function that ends the subscription. */
  subscribe(listener: BusListener): () => void;
  /** The kept events after `id`, oldest first; undefined when some of them are no longer kept. Ids are this process's own. */
  since(id: number): LiveEvent[] | undefined;
  /** Tells the other processes, not this one, and no browser. */
  hint(topic: string, body: HintBody): void;
  onHint(topic: string, listener: (body: HintBody) => void): () => void;
  /** Called when something of another process may not have been heard: whoever relies on hearing looks again. */
  onGap(listener: () => void): () => void;
  /** False while the other processes cannot be heard: what is remembered may be out of date. */
  connected(): boolean;
  /** A time in ms that grows with each call and is never behind what other processes have told: orders what follows from each other. */
  stamp(): number;
  close(): Promise<void>;
};

const kept = 2_000;
/** Long enough that what happens together travels together. */
const gatherMs = 10;
/** With nothing to tell, a number is sent this often, so that a lost last message is noticed. */
const beatMs = 1_000;

/** A bus for this process alone, or over `wire` for all that share it. */
export function createBus(clock: Clock, wire?: BusWire): Bus {
  const node = randomBytes(6).toString("hex");
  const listeners = new Set<BusListener>();
  const hintListeners = new Map<string, Set<(body: HintBody) => void>>();
  const gapListeners = new Set<() => void>();
  const recent: LiveEvent[] = [];
  // Ids go on rising after a restart, so that a browser which resumes is told that it missed something.
  let next = clock.now();
  let latest = 0;
  const stamp = () => {
    latest = Math.max(clock.now(), latest + 1);
    return latest;
  };
  const emit = (event: LiveEvent, origin: Origin) => {
    recent.push(event);
    if (recent.length > kept) recent.splice(0, recent.length - kept);
    for (const listener of listeners) listener(event, origin);
  };
  const take = (item: Item) => {
    if (item.is === "hint") for (const listener of hintListeners.get(item.topic) ?? []) listener(item.body);
    else if (isKnown(item.type))
      emit({ id: next++, type: item.type, at: item.at, subject: item.subject, data: item.data }, "elsewhere");
  };
  const gap = () => {
    for (const listener of gapListeners) listener();
  };
  const outside = wire && connect({ wire, node, stamp, take, gap });
  return {
    node,
    stamp: () => stamp(),
    publish({ type, subject, data }) {
      const at = new Date(clock.now()).toISOString();
      outside?.tell({ is: "event", type, at, subject, data });
      emit({ id: next++, type, at, subject, data }, "here");
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    since(id) {
      const first = recent[0]?.id ?? next;
      return id + 1 < first ? undefined : recent.filter((event) => event.id > id);
    },
    hint: (topic, body) => outside?.tell({ is: "hint", topic, body }),
    onHint(topic, listener) {
      const those = hintListeners.get(topic) ?? new Set();
      hintListeners.set(topic, those.add(listener));
      return () => void those.delete(listener);
    },
    onGap(listener) {
      gapListeners.add(listener);
      return () => void gapListeners.delete(listener);
    },
    connected: () => wire?.connected() ?? true,
    close: async () => outside?.close(),
  };

  function connect(parts: Connecting) {
    return talk(parts, (heard) => {
      latest = Math.max(latest, heard);
    });
  }
}

type Connecting = { wire: BusWire; node: string; stamp: () => number; take: (item: Item) => void; gap: () => void };

/** Sends what this process tells, and hears the others; counts, so that what was not heard is noticed. */
function talk({ wire, node, stamp, take, gap }: Connecting, hear: (stamp: number) => void) {
  const heard = new Map<string, number>();
  let waiting: Item[] = [];
  let timer: NodeJS.Timeout | undefined;
  let seq = 0;
  const flush = () => {
    timer = undefined;
    const items = waiting;
    waiting = [];
    for (const some of items.length === 0 ? [[]] : packItems(items, wire.maxBytes)) {
      seq += 1;
      wire.send(JSON.stringify({ node, seq, stamp: stamp(), items: some } satisfies Envelope));
    }
  };
  wire.listen((text) => {
    const envelope = readEnvelope(text);
    if (envelope === undefined) return gap();
    if (envelope.node === node) return;
    hear(envelope.stamp);
    const before = heard.get(envelope.node) ?? 0;
    heard.set(envelope.node, envelope.seq);
    if (envelope.seq !== before + 1) gap();
    for (const item of envelope.items) take(item);
  });
  const beat = setInterval(() => timer === undefined && flush(), beatMs).unref();
  return {
    tell(item: Item) {
      waiting.push(item);
      timer ??= setTimeout(flush, gatherMs);
    },
    async close() {
      clearInterval(beat);
      clearTimeout(timer);
      if (waiting.length > 0) flush();
      await wire.close();
    },
  };
}

const known: ReadonlySet<string> = new Set(liveEventTypes);
/** While processes are renewed one after the other, a newer one may tell of what this one does not know. */
const isKnown = (type: string): type is LiveEventType => known.has(type);
