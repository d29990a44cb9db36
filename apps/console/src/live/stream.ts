import type { QueryClient } from "@tanstack/react-query";
import { liveEvent, liveEventTypes } from "@tenfold/contracts";
import { isHeavy, isTouched, type Touched, touchedBy } from "./touched.ts";

export type LiveState = "connecting" | "live" | "lost";

/** Answers are asked again at most this often, however many events arrive. */
const paceMs = 1_500;
const heavyPaceMs = 5_000;
/** While the stream is lost, everything on screen is asked again this often. */
const pollMs = 15_000;
/** A stream that the browser gave up on (a refusal, not a broken line) is opened anew after this long. */
const reopenMs = 5_000;

/** Follows `GET /api/v1/events` and makes the answers on screen stale that events touched. Returns what ends it. */
export function followEvents(queries: QueryClient, onState: (state: LiveState) => void): () => void {
  const touched = new Map<string, Touched>();
  let state: LiveState = "connecting";
  const become = (next: LiveState) => {
    if (next === state) return;
    // What happened while nobody listened is unknown: ask for everything once.
    if (next === "live" && state === "lost") void queries.invalidateQueries();
    state = next;
    onState(next);
  };
  const receive = (message: MessageEvent<string>) => {
    const event = liveEvent.safeParse(parseJson(message.data));
    if (event.success) for (const one of touchedBy(event.data)) touched.set(`${one.operation} ${one.device ?? ""}`, one);
  };
  const stream = openStream({
    onOpen: () => become("live"),
    onLost: () => become("lost"),
    onEvent: receive,
    onMissed: () => void queries.invalidateQueries(),
  });

  const flush = (heavy: "heavy" | "light") => {
    if (document.hidden) return;
    const stale = [...touched].filter(([, { operation }]) => isHeavy(operation) === (heavy === "heavy"));
    if (stale.length === 0) return;
    for (const [key] of stale) touched.delete(key);
    const answers = stale.map(([, one]) => one);
    void queries.invalidateQueries({ predicate: ({ queryKey }) => isTouched(queryKey, answers) });
  };
  const light = setInterval(flush, paceMs, "light");
  const heavy = setInterval(flush, heavyPaceMs, "heavy");
  const poll = setInterval(() => {
    if (state === "lost" && !document.hidden) void queries.invalidateQueries();
  }, pollMs);

  return () => {
    clearInterval(light);
    clearInterval(heavy);
    clearInterval(poll);
    stream.close();
  };
}

type Listener = { onOpen: () => void; onLost: () => void; onEvent: (message: MessageEvent<string>) => void; onMissed: () => void };

/** An EventSource that never gives up: the browser itself comes back from a broken line, but not from a refusal. */
function openStream({ onOpen, onLost, onEvent, onMissed }: Listener): { close: () => void } {
  let reopening: ReturnType<typeof setTimeout> | undefined;
  let source = open();
  function open(): EventSource {
    const opened = new EventSource("/api/v1/events");
    opened.onopen = onOpen;
    opened.onerror = () => {
      onLost();
      if (opened.readyState !== EventSource.CLOSED) return;
      reopening = setTimeout(() => {
        source = open();
      }, reopenMs);
    };
    for (const type of liveEventTypes) opened.addEventListener(type, onEvent);
    opened.addEventListener("missed", onMissed);
    return opened;
  }
  return {
    close: () => {
      clearTimeout(reopening);
      source.close();
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
