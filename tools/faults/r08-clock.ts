import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { api } from "@tenfold/contracts";
import type { Fault, Stage } from "./fault.ts";
import type { Platform } from "./platform.ts";

export const fault: Fault = {
  id: "R8",
  name: "clock",
  injected:
    "the platform's clock steps by +1 h and -1 h while it runs, and it starts with a clock that is 1 h behind and 10 years ahead",
  holds: [
    "messages are acknowledged while the clock steps",
    "no alert blames devices for a step",
    "when the clock is right again, devices are admitted and acknowledged as before",
  ],
  needs: ["linux", "faketime"],
  async run(stage) {
    const file = join(stage.dir, "clock");
    writeFileSync(file, "+0\n");
    const platform = await stage.start({ env: { ...faked(), FAKETIME_TIMESTAMP_FILE: file } });
    await stepWhileRunning(stage, { platform, file });
    await platform.end("SIGTERM");
    for (const [offset, what] of [
      ["-1h", "1 h behind"],
      ["+10y", "10 years ahead"],
    ] as const)
      await startElsewhen(stage, { offset, what });
    await stage.start({ env: {} });
    const load = stage.load();
    const back = await load.more(100, 30_000);
    stage.holds("with the right clock again devices are acknowledged", back, reasons(load.ends));
    return { injected: 4 };
  },
};

/** The library with which `faketime` moves the wall clock of a process; the monotonic clock stays, as in life. */
function faked(): Record<string, string> {
  const lines = execFileSync("faketime", ["-m", "-f", "+0d", "env"], { encoding: "utf8" }).split("\n");
  const preload = lines.find((line) => line.startsWith("LD_PRELOAD="))?.slice("LD_PRELOAD=".length) ?? "";
  return { LD_PRELOAD: preload, FAKETIME_DONT_FAKE_MONOTONIC: "1", FAKETIME_NO_CACHE: "1" };
}

async function stepWhileRunning(stage: Stage, { platform, file }: { platform: Platform; file: string }): Promise<void> {
  const load = stage.load({ leaseS: 6 });
  await load.more(300, 20_000);
  for (const offset of ["+3600", "+0"]) {
    writeFileSync(file, `${offset}\n`);
    stage.holds(`messages are acknowledged after a step to ${offset} s`, await load.more(300, 10_000));
    await wait(4_000);
    const { items } = await platform.client.call(api.listAlerts, { query: {} });
    stage.holds("no alert blames devices for a step", items.length === 0, items.map(({ title }) => title).join("; "));
    const devices = await platform.client.call(api.listDevices, { query: {} });
    const states = devices.items.map(({ connectivity }) => connectivity.is);
    stage.holds(
      `devices are online after a step to ${offset} s`,
      states.every((state) => state === "online"),
      states.join(", "),
    );
  }
  await load.stop();
}

async function startElsewhen(stage: Stage, { offset, what }: { offset: string; what: string }): Promise<void> {
  const platform = await stage.start({ env: { ...faked(), FAKETIME: offset } }).catch((error: unknown) => {
    stage.note(`started ${what}: it does not start: ${error instanceof Error ? error.message.split("\n")[0] : error}`);
    return undefined;
  });
  if (platform === undefined) return;
  const load = stage.load();
  const taken = await load.more(50, 5_000);
  stage.note(`started ${what}: devices are ${taken ? "admitted" : `not admitted: ${reasons(load.ends)}`}`);
  await load.stop();
  await platform.end("SIGTERM");
}

const reasons = (ends: ReadonlyMap<string, number>): string =>
  [...ends].map(([because, times]) => `${because}×${times}`).join(", ");
