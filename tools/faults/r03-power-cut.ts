import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { familyOf } from "../../bench/processes.ts";
import { copyImage, mountCopy, mountImage } from "./disks.ts";
import type { Fault } from "./fault.ts";

const megabytes = 1_500;
const cuts = 2;

export const fault: Fault = {
  id: "R3",
  name: "power-cut",
  injected:
    "the disk image is copied at an instant under load, and the platform starts on the copy: only what was flushed is in it",
  holds: ["the platform starts on what the power cut left", "everything acknowledged until the cut is in it"],
  needs: ["linux", "root", "loop", "mkfs.ext4"],
  async run(stage) {
    let disk = mountImage(stage, "disk0", megabytes);
    mkdirSync(join(disk.folder, "data"));
    let platform = await stage.start({ dataDir: join(disk.folder, "data") });
    const load = stage.load({ perSecond: 400, window: 32 });
    for (let cut = 1; cut <= cuts; cut++) {
      stage.holds("messages are acknowledged before the cut", await load.more(1_000, 20_000));
      await wait(stage.random() * 1_000);
      // While it is copied nothing may be flushed that was not before: all its processes stand still, and then they are gone.
      const family = await familyOf(platform.pid);
      for (const pid of family) signal(pid, "SIGSTOP");
      const copy = join(stage.dir, `disk${cut}.img`);
      copyImage(disk.file, copy);
      for (const pid of family) signal(pid, "SIGKILL");
      await platform.end("SIGKILL");
      disk = mountCopy(stage, `disk${cut}`, copy);
      platform = await stage.start({ dataDir: join(disk.folder, "data") });
      stage.note(`ready ${(platform.startedInMs / 1_000).toFixed(1)} s after cut ${cut}`);
    }
    stage.holds("messages are acknowledged after the last cut", await load.more(200, 20_000));
    return { injected: cuts };
  },
};

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended between the look and the signal.
  }
}
