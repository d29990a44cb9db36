import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { addVerb, word } from "../../verb.ts";

export function deviceLogs(device: Command): void {
  addVerb(device, {
    usage: "logs <id>",
    summary: "The newest log lines of a device",
    flags: [["--limit <n>", "at most this many", "200"]],
    async run(session, given) {
      const client = await session.client();
      const { items } = await client.call(api.getDeviceLogs, {
        params: { id: word(given, 0) },
        query: { limit: Number(given.flags.limit) },
      });
      if (session.out.form === "human")
        for (const line of items) session.out.event(line, `${line.at} ${line.level.padEnd(5)} ${line.text}`);
      else session.out.list(items, (line) => line);
    },
  });
}
