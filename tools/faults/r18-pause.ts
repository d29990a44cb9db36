import { setTimeout as wait } from "node:timers/promises";
import { api } from "@tenfold/contracts";
import type { Fault } from "./fault.ts";

const pauseMs = 10_000;
/** With its grace of 5 s such a lease has run out before the pause ends. */
const leaseS = 3;

export const fault: Fault = {
  id: "R18",
  name: "pause",
  injected: "SIGSTOP of the platform for 10 s, with leases of 3 s",
  holds: ["messages are acknowledged again", "no alert blames a device for it", "every device is online again"],
  needs: ["linux"],
  async run(stage) {
    const platform = await stage.start();
    const load = stage.load({ leaseS });
    await load.more(500, 20_000);
    process.kill(platform.pid, "SIGSTOP");
    await wait(pauseMs);
    process.kill(platform.pid, "SIGCONT");
    stage.holds("messages are acknowledged again within 5 s", await load.more(200, 5_000));
    await wait(5_000);
    const alerts = await platform.client.call(api.listAlerts, { query: {} });
    stage.holds("no alert blames a device", alerts.items.length === 0, alerts.items.map(({ title }) => title).join("; "));
    const devices = await platform.client.call(api.listDevices, { query: {} });
    const states = devices.items.map(({ connectivity }) => connectivity.is);
    stage.holds(
      "every device is online again",
      states.every((status) => status === "online"),
      states.join(", "),
    );
    return { injected: 1 };
  },
};
