import { setTimeout as wait } from "node:timers/promises";
import type { Fault } from "./fault.ts";
import { processOf } from "./processes.ts";

const kills = 4;

export const fault: Fault = {
  id: "R14",
  name: "kill-store",
  injected: "kill -9 of the telemetry store's process under load, four times",
  holds: ["the platform lives on", "messages are acknowledged while the store is away", "the store is started again"],
  needs: ["linux"],
  async run(stage) {
    const platform = await stage.start();
    const load = stage.load();
    let last = 0;
    for (let kill = 0; kill < kills; kill++) {
      await load.more(200, 20_000);
      await wait(stage.random() * 500);
      const pid = await processOf(platform.pid, "chdb-worker", { withinMs: 10_000, otherThan: last });
      stage.holds("the store is started again", pid !== undefined, `kill ${kill + 1}`);
      if (pid === undefined) break;
      process.kill(pid, "SIGKILL");
      last = pid;
      stage.holds("messages are acknowledged while the store is away", await load.more(50, 1_500));
    }
    stage.holds("the platform lives on", platform.alive());
    stage.holds("it is ready again", await platform.readyWithin(15_000));
    return { injected: kills };
  },
};
