import { setTimeout as pause } from "node:timers/promises";
import { Problem } from "@tenfold/base";
import type { ApiClient, LiveEvent } from "@tenfold/contracts";

const [firstPauseMs, longestPauseMs] = [500, 10_000];

/** What becomes of a stream that somebody watches for hours. `lost`: the server is away, and is asked again; `missed`: what happened meanwhile is no longer known. */
export type Interruption = "lost" | "back" | "missed";

/**
 * What happens on the server, live (SSE), until the signal ends it. A connection that breaks is made again and goes on behind the last event that came
 * (`Last-Event-ID`). Throws what the server refuses, and where there is no server to begin with.
 */
export async function* liveEvents(
  client: ApiClient,
  signal: AbortSignal,
  tell: (interruption: Interruption) => void = () => {},
): AsyncGenerator<LiveEvent> {
  const place: Place = { last: "", opened: false, failures: 0 };
  while (!signal.aborted) {
    try {
      yield* eventsOf(framesOf(client, signal, place.last), place, tell);
    } catch (error) {
      const final = error instanceof Problem && error.status < 500;
      if (signal.aborted || !place.opened || final) throw error;
    }
    if (place.failures === 0) tell("lost");
    await pause(Math.min(longestPauseMs, firstPauseMs * 2 ** place.failures), undefined, { signal });
    place.failures += 1;
  }
}

/** `last`: the id of the newest event; `failures`: connections in a row that brought nothing. */
type Place = { last: string; opened: boolean; failures: number };

async function* eventsOf(
  frames: AsyncIterable<Frame>,
  place: Place,
  tell: (interruption: Interruption) => void,
): AsyncGenerator<LiveEvent> {
  for await (const { id, event, data } of frames) {
    if (place.failures > 0) tell("back");
    Object.assign(place, { opened: true, failures: 0, last: id ?? place.last });
    if (event === "missed") tell("missed");
    // The server writes one JSON object a frame; its `missed` event carries an empty one.
    if (data !== undefined && data !== "{}") yield JSON.parse(data) as LiveEvent;
  }
}

type Frame = { id?: string; event?: string; data?: string };

/** The frames of one connection; the first, without anything in it, when it is open. */
async function* framesOf(client: ApiClient, signal: AbortSignal, last: string): AsyncGenerator<Frame> {
  const headers = { accept: "text/event-stream", ...(last === "" ? {} : { "last-event-id": last }) };
  const response = await client.raw("GET", "/api/v1/events", { headers, signal });
  if (response.body === null) return;
  yield {};
  let rest = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const frames = (rest + chunk).split("\n\n");
    rest = frames.pop() ?? "";
    for (const frame of frames) yield frameOf(frame);
  }
}

function frameOf(text: string): Frame {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(text)?.[1];
  const [id, event, data] = ["id", "event", "data"].map(field);
  return {
    ...(id === undefined ? {} : { id }),
    ...(event === undefined ? {} : { event }),
    ...(data === undefined ? {} : { data }),
  };
}

/** Ends with Ctrl-C, without a stack trace. */
export function untilInterrupted(): AbortSignal {
  const ended = new AbortController();
  process.once("SIGINT", () => ended.abort());
  process.once("SIGTERM", () => ended.abort());
  return ended.signal;
}
