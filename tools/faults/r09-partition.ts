import { setTimeout as wait } from "node:timers/promises";
import { type ApiClient, api } from "@tenfold/contracts";
import type { Fault } from "./fault.ts";
import { makeNamespace } from "./namespace.ts";

const leaseS = 3;
const flaps = 4;

export const fault: Fault = {
  id: "R9",
  name: "partition",
  injected:
    "a real wire between devices and platform: cut for 12 s, one-way each way, flapping every 2 s, 30 % of the packets lost",
  holds: [
    "messages are acknowledged in each state that lets any through",
    "a cut is told by the lease",
    "every device is online after it",
  ],
  needs: ["linux", "root", "ip", "nft"],
  async run(stage) {
    const platform = await stage.start({ env: { TENFOLD_DEVICE_HOST: "0.0.0.0" } });
    const wire = await makeNamespace(stage, platform.mqttPort);
    const load = stage.load({ host: wire.host, port: wire.port, perSecond: 30, leaseS, patienceMs: 4_000 });
    stage.holds("messages are acknowledged over the wire", await load.more(200, 20_000));

    wire.set("cut");
    await wait(12_000);
    const before = load.count();
    stage.holds("nothing is acknowledged through a wire that is cut", !(await load.more(1, 500)), `${load.count() - before}`);
    const states = await statesOf(platform.client);
    stage.holds(
      "the lease tells of the cut",
      states.every((state) => state !== "online"),
      states.join(", "),
    );
    wire.set("whole");
    stage.holds("messages are acknowledged after the cut", await load.more(100, 30_000));

    for (const way of ["deaf", "mute"] as const) {
      wire.set(way);
      await wait(5_000);
      wire.set("whole");
      stage.holds(`messages are acknowledged after the wire was ${way}`, await load.more(100, 30_000));
    }
    for (let flap = 0; flap < flaps; flap++) {
      wire.set("cut");
      await wait(2_000);
      wire.set("whole");
      await wait(2_000);
    }
    wire.set("lossy");
    stage.holds("messages are acknowledged with 30 % of the packets lost", await load.more(60, 40_000));
    wire.set("whole");
    stage.holds("messages are acknowledged in the end", await load.more(200, 20_000));
    await wait(1_500);
    const after = await statesOf(platform.client);
    stage.holds(
      "every device is online in the end",
      after.every((state) => state === "online"),
      after.join(", "),
    );
    await load.stop();
    return { injected: 4 + flaps };
  },
};

async function statesOf(client: ApiClient): Promise<string[]> {
  const { items } = await client.call(api.listDevices, { query: {} });
  return items.map(({ connectivity }) => connectivity.is);
}
