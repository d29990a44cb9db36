import { setTimeout as wait } from "node:timers/promises";
import type { Fault } from "./fault.ts";

const kills = 5;
/** Ready again on the same folder, seconds. */
const aimS = 3;

export const fault: Fault = {
  id: "R1",
  name: "kill-platform",
  injected: "kill -9 of the platform at seeded times under load, five times",
  holds: ["it is ready again by itself on the same data folder"],
  needs: [],
  async run(stage) {
    let platform = await stage.start();
    const ready: number[] = [];
    const load = stage.load();
    for (let kill = 0; kill < kills; kill++) {
      stage.holds("messages are acknowledged before each kill", await load.more(200, 20_000));
      await wait(stage.random() * 800);
      await platform.end("SIGKILL");
      platform = await stage.start();
      ready.push(platform.startedInMs / 1_000);
    }
    // The aim is of a machine that does nothing else; beside other work it is told and not held.
    stage.note(
      `ready again after ${ready.map((s) => s.toFixed(1)).join(", ")} s (aim ${aimS} s on a machine that does nothing else)`,
    );
    stage.holds("messages are acknowledged after the last kill", await load.more(200, 20_000));
    return { injected: kills };
  },
};
