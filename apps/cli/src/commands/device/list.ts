import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { ago } from "../../output.ts";
import { allItems } from "../../pages.ts";
import { addVerb } from "../../verb.ts";

export function deviceList(device: Command): void {
  addVerb(device, {
    usage: "list [filter...]",
    summary: "Devices, by the filter language",
    flags: [["--limit <n>", "at most this many", "1000"]],
    example: "device list 'tag:site=berlin status:offline fw:<1.4.0'",
    async run(session, { words: [filter], flags }) {
      const client = await session.client();
      const devices = await allItems(Number(flags.limit), (page) =>
        client.call(api.listDevices, { query: { ...page, ...(filter ? { filter } : {}) } }),
      );
      session.out.list(devices, (one) => ({
        id: one.id,
        status: one.connectivity.is,
        lifecycle: one.lifecycle,
        trust: one.trustLevel,
        model: one.model,
        firmware: one.firmware?.version,
        contact: ago(one.lastContactAt),
        tags: Object.entries(one.tags)
          .map(([name, value]) => `${name}=${value}`)
          .join(" "),
      }));
    },
  });
}
