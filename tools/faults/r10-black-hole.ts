import { setTimeout as wait } from "node:timers/promises";
import { api } from "@tenfold/contracts";
import type { Fault } from "./fault.ts";
import { makeNamespace } from "./namespace.ts";
import type { Platform } from "./platform.ts";

const [keepAliveS, leaseS] = [4, 3];

export const fault: Fault = {
  id: "R10",
  name: "black-hole",
  injected: "connections stay open and nothing flows any more: every packet is dropped without a reset, for 20 s",
  holds: [
    "the platform closes connections that are silent for one and a half keep-alives",
    "devices are told offline by their lease, and why",
    "messages are acknowledged again when packets flow",
  ],
  needs: ["linux", "root", "ip", "nft"],
  async run(stage) {
    const platform = await stage.start({ env: { TENFOLD_DEVICE_HOST: "0.0.0.0" } });
    const wire = await makeNamespace(stage, platform.mqttPort);
    // Devices that believe in their connection for a minute: it is the platform that has to notice.
    const load = stage.load({ host: wire.host, port: wire.port, perSecond: 20, leaseS, keepAliveS, patienceMs: 60_000 });
    await load.more(100, 20_000);
    // Until its first heartbeat is applied, a device has the long lease of those who have not told theirs.
    for (const deadline = Date.now() + 30_000; !(await leasesKnown(platform)) && Date.now() < deadline; ) await wait(200);
    const open = await connections(platform.url);
    stage.holds("connections are open before it", open >= 1, `${open}`);
    wire.set("cut");
    await wait(keepAliveS * 1_500 + 3_000);
    const left = await connections(platform.url);
    stage.holds("the platform closed what was silent", left === 0, `${left} of ${open} are still open`);
    await wait(9_000);
    const { items } = await platform.client.call(api.listDevices, { query: {} });
    const states = items.map(({ connectivity }) => connectivity.is);
    const [first] = items;
    stage.holds(
      "devices are told offline",
      states.every((state) => state === "offline"),
      `${states.join(", ")}; ${first?.id}: ${first?.connectivity.because}`,
    );
    wire.set("whole");
    stage.holds("messages are acknowledged again", await load.more(100, 70_000));
    await load.stop();
    return { injected: 1 };
  },
};

async function leasesKnown({ client }: Platform): Promise<boolean> {
  const { items } = await client.call(api.listDevices, { query: {} });
  return items.every(({ connectivity }) => connectivity.because.includes(`lease of ${leaseS} s`));
}

/** Open device connections, as the platform counts them. */
async function connections(url: string): Promise<number> {
  const text = await (await fetch(new URL("/metrics", url))).text();
  return [...text.matchAll(/^tenfold_links_connections(?:\{[^}]*\})? (\d+)/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
}
