/** The console in a real browser, over a platform with devices that move. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { RunningPlatform } from "../running-platform.ts";
import { type Counts, eventually, steps } from "./steps.ts";

const devices = 20;

type Walk = (walk: {
  url: string;
  signInUrl: string;
  shots: string;
}) => Promise<{ pages: number; shots: string[]; requests: number }>;

export async function run(platform: RunningPlatform): Promise<Counts> {
  const suite = steps("console");
  const simulator = spawn(
    process.execPath,
    [
      "apps/cli/src/main.ts",
      "--data",
      platform.dataDir,
      "sim",
      "start",
      "--devices",
      String(devices),
      "--heartbeat",
      "2s",
      "--state",
      join(platform.dir, "fleet"),
    ],
    { stdio: "ignore" },
  );
  try {
    await suite.step(`${devices} simulated devices come online`, () =>
      eventually(async () => {
        const { connectivity } = JSON.parse(await platform.tenfold("api", "GET", "/api/v1/device-summary")) as {
          connectivity: Record<string, number>;
        };
        if ((connectivity.online ?? 0) < devices) throw new Error(`${connectivity.online ?? 0} online`);
      }, 60_000),
    );
    await suite.step(
      "every page stands in Chromium, light and dark, with one heading, named controls, no error and no request to another host",
      async () => {
        // The console is checked with the browser's types, by its own tsconfig; here only this much of it is known.
        const { run: walk } = (await import(new URL("../../apps/console/test/console.browser.ts", import.meta.url).href)) as {
          run: Walk;
        };
        const { url } = JSON.parse(await platform.tenfold("open", "--print", "--json")) as { url: string };
        const report = await walk({
          url: platform.url,
          signInUrl: url,
          shots: process.env.TENFOLD_TEST_SHOTS ?? join(platform.dir, "shots"),
        });
        console.log(`    ${report.pages} pages, ${report.requests} requests, ${report.shots.length} pictures`);
      },
    );
  } finally {
    const ended = once(simulator, "exit");
    simulator.kill("SIGTERM");
    await ended;
  }
  return { passed: suite.passed, failed: suite.failed };
}
