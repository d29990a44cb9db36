import type { ApiClient, LiveEvent } from "@tenfold/contracts";

/** What happens on the server, live (SSE), until the signal ends it. */
export async function* liveEvents(client: ApiClient, signal: AbortSignal): AsyncGenerator<LiveEvent> {
  const response = await client.raw("GET", "/api/v1/events", { headers: { accept: "text/event-stream" }, signal });
  if (response.body === null) return;
  let rest = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const frames = (rest + chunk).split("\n\n");
    rest = frames.pop() ?? "";
    for (const frame of frames) {
      const data = /^data: (.*)$/m.exec(frame)?.[1];
      // The server writes one JSON object a frame; its `missed` event carries an empty one.
      if (data !== undefined && data !== "{}") yield JSON.parse(data) as LiveEvent;
    }
  }
}

/** Ends with Ctrl-C, without a stack trace. */
export function untilInterrupted(): AbortSignal {
  const ended = new AbortController();
  process.once("SIGINT", () => ended.abort());
  process.once("SIGTERM", () => ended.abort());
  return ended.signal;
}
