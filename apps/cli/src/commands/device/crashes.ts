import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { addVerb, word } from "../../verb.ts";

export function deviceCrashes(device: Command): void {
  addVerb(device, {
    usage: "crashes <id>",
    summary: "What a device left behind when it crashed, newest first",
    async run(session, given) {
      const { items } = await (await session.client()).call(api.listCrashes, { query: { limit: 100, device: word(given, 0) } });
      session.out.one({ items }, () =>
        items.length === 0
          ? ["It has sent no crash artifact."]
          : items.map((one) => {
              const kept = one.removedAt ? "removed" : one.pinned ? `pinned to ${one.rollout}` : `kept until ${one.keepUntil}`;
              return `${one.receivedAt} ${one.kind.padEnd(7)} ${String(one.size).padStart(9)} bytes  ${one.title} (${one.version ?? "version unknown"}; ${kept}) ${one.id}`;
            }),
      );
    },
  });
}
