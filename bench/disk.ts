import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { LatencyCounts } from "./latency.ts";

const [flushes, each, apartMs] = [500, 4_096, 5];

/**
 * What one write and `fdatasync` takes on this disk when nothing else is asked of it, milliseconds: nobody who acknowledges what is durable can
 * answer sooner, and mosquitto, which keeps nothing, does not pay it.
 */
export async function flushTimes(folder: string): Promise<{ flushP50Ms: number; flushP99Ms: number }> {
  const path = join(folder, "flush-times");
  const [file, counts] = [await open(path, "w"), new LatencyCounts()];
  try {
    await file.write(Buffer.alloc(flushes * each), 0, flushes * each, 0);
    await file.sync();
    for (let i = 0; i < flushes; i++) {
      const began = performance.now();
      await file.write(Buffer.alloc(each, 1), 0, each, i * each);
      await file.datasync();
      counts.add(performance.now() - began);
      await wait(apartMs);
    }
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
  return { flushP50Ms: counts.percentile(0.5), flushP99Ms: counts.percentile(0.99) };
}
