import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import type { Fault } from "./fault.ts";

export const fault: Fault = {
  id: "R7",
  name: "failed-fsync",
  injected: "strace makes every fdatasync of the platform fail with EIO until it has ended",
  holds: [
    "nothing is acknowledged after the failed fdatasync",
    "the platform ends with exit code 1, so that it is started again",
    "after a start it takes messages again",
  ],
  needs: ["linux", "root", "strace"],
  async run(stage) {
    const platform = await stage.start();
    const load = stage.load();
    await load.more(500, 20_000);
    const strace = spawn("strace", [
      "-f",
      "-q",
      "-p",
      String(platform.pid),
      "-o",
      "/dev/null",
      "-e",
      "trace=fdatasync",
      "-e",
      "inject=fdatasync:error=EIO",
    ]);
    const broke = await saidWithin(platform.log, "journal.broken", 15_000);
    stage.holds("the journal reports the failure", broke);
    // What was acknowledged before the failure may still be on its way to the devices.
    await wait(500);
    const before = load.count();
    const { code } = await platform.ended(15_000).catch(() => ({ code: undefined }));
    stage.holds("it ends with exit code 1", code === 1, `its exit code is ${code}`);
    strace.kill("SIGINT");
    if (strace.exitCode === null && strace.signalCode === null) await once(strace, "exit", { signal: AbortSignal.timeout(10_000) });
    stage.holds("nothing is acknowledged after the failed fdatasync", load.count() === before, `${load.count() - before} were`);
    await platform.end("SIGKILL");
    await stage.start();
    stage.holds("it takes messages again after a start", await load.more(200, 20_000));
    return { injected: 1 };
  },
};

async function saidWithin(log: () => Promise<string>, word: string, ms: number): Promise<boolean> {
  for (const deadline = Date.now() + ms; Date.now() < deadline; await wait(50)) if ((await log()).includes(word)) return true;
  return false;
}
