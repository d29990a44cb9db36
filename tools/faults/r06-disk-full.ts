import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fill, mountMemory } from "./disks.ts";
import type { Fault } from "./fault.ts";

const megabytes = 700;
const fullMs = 8_000;

export const fault: Fault = {
  id: "R6",
  name: "disk-full",
  injected: "the data folder's file system has no free byte for eight seconds under load",
  holds: ["no acknowledgement for what cannot be written", "the platform lives on", "it recovers by itself when space returns"],
  needs: ["linux", "root", "fallocate"],
  async run(stage) {
    const folder = mountMemory(stage, "disk", megabytes);
    const platform = await stage.start({ dataDir: join(folder, "data") });
    const load = stage.load({ perSecond: 400, window: 32 });
    await load.more(500, 20_000);
    const filler = fill(folder);
    await wait(fullMs / 2);
    const before = load.count();
    await wait(fullMs / 2);
    stage.note(`${load.count() - before} acknowledged in the second half of the time without space`);
    stage.holds("the platform lives on without space", platform.alive());
    const told = [...load.ends].map(([because, times]) => `${because}×${times}`).join(", ");
    stage.note(`connections ended: ${told || "none"}`);
    rmSync(filler);
    const back = await load.more(500, 30_000);
    stage.holds("messages are acknowledged again within 30 s of space", back);
    stage.holds("it is ready again", await platform.readyWithin(30_000));
    return { injected: 1 };
  },
};
