import type { Command } from "commander";
import { type Interruption, liveEvents, untilInterrupted } from "../../live.ts";
import { addVerb } from "../../verb.ts";

const interruptions: Readonly<Record<Interruption, string>> = {
  lost: "The server is away; watching goes on when it is back.",
  back: "The server is back.",
  missed: "What happened meanwhile is no longer known here; the device's timeline has it.",
};

export function deviceWatch(device: Command): void {
  addVerb(device, {
    usage: "watch [id]",
    summary: "What happens to a device, or to all, live; ends with Ctrl-C",
    async run(session, { words: [id] }) {
      const signal = untilInterrupted();
      session.out.note(`Watching ${id ?? "every device"}. Ctrl-C ends.`);
      try {
        for await (const event of liveEvents(await session.client(), signal, (what) => session.out.note(interruptions[what]))) {
          if (id !== undefined && event.subject !== id) continue;
          session.out.event(event, `${event.at} ${event.type.padEnd(26)} ${event.subject} ${JSON.stringify(event.data)}`);
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
  });
}
