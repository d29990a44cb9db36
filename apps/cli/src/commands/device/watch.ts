import type { Command } from "commander";
import { liveEvents, untilInterrupted } from "../../live.ts";
import { addVerb } from "../../verb.ts";

export function deviceWatch(device: Command): void {
  addVerb(device, {
    usage: "watch [id]",
    summary: "What happens to a device, or to all, live; ends with Ctrl-C",
    async run(session, { words: [id] }) {
      const signal = untilInterrupted();
      session.out.note(`Watching ${id ?? "every device"}. Ctrl-C ends.`);
      try {
        for await (const event of liveEvents(await session.client(), signal)) {
          if (id !== undefined && event.subject !== id) continue;
          session.out.event(event, `${event.at} ${event.type.padEnd(26)} ${event.subject} ${JSON.stringify(event.data)}`);
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
  });
}
