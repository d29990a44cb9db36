import type { LiveEvent } from "@tenfold/contracts";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Bus } from "../bus/bus.ts";
import { guarded, type Http } from "./http.ts";

const beatMs = 15_000;
const mostUnsent = 1024 * 1024;

/**
 * `GET /api/v1/events`: what happens, live, as server-sent events. A client that comes back with `Last-Event-ID` gets what it missed,
 * or a `missed` event when that is no longer kept: then it must ask again for what it shows. A reader that does not read is cut off.
 */
export function liveEvents(app: Http, bus: Bus): void {
  const open = new Set<FastifyReply["raw"]>();
  app.get("/api/v1/events", guarded("devices.read"), (request, reply) => {
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-store",
      Connection: "keep-alive",
      "X-Accel-Buffering": "no",
    });
    const write = (text: string) => {
      if (raw.writableLength > mostUnsent) raw.destroy();
      else raw.write(text);
    };
    for (const text of missed(request, bus)) write(text);
    const leave = bus.subscribe((event) => write(frame(event, bus)));
    const beat = setInterval(() => write(": beat\n\n"), beatMs);
    open.add(raw);
    raw.on("close", () => {
      leave();
      clearInterval(beat);
      open.delete(raw);
    });
  });
  app.addHook("preClose", async () => {
    for (const raw of open) raw.end();
  });
}

function missed(request: FastifyRequest, bus: Bus): string[] {
  const asked = request.headers["last-event-id"];
  if (asked === undefined) return ["retry: 2000\n\n"];
  // Each process counts for itself: who comes from another one is told to look again.
  const [node, last] = String(asked).split(".");
  const events = node === bus.node && /^\d+$/.test(last ?? "") ? bus.since(Number(last)) : undefined;
  return events === undefined ? ["event: missed\ndata: {}\n\n"] : events.map((event) => frame(event, bus));
}

const frame = (event: LiveEvent, { node }: Bus): string =>
  `id: ${node}.${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
