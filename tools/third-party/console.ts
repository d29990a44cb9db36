/** The console in a real browser, over a platform with devices that move. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { RunningPlatform } from "../running-platform.ts";
import { type Stage, setStage, setUpReleases } from "./console-stage.ts";
import { type Counts, eventually, steps } from "./steps.ts";

const devices = 20;

type Walked = { pages: number; shots: string[]; requests: number };
type Visit = { url: string; signInUrl: string; shots: string };
type Staged = Visit & { stage: Stage };
/** The console is checked with the browser's types, by its own tsconfig; here only this much of it is known. */
type Browser = { walk(visit: Visit | Staged): Promise<Walked>; act(visit: Staged & { secondUrl: string }): Promise<string[]> };

export async function run(platform: RunningPlatform): Promise<Counts> {
  const suite = steps("console");
  const { act, walk } = (await import(new URL("../../apps/console/test/console.browser.ts", import.meta.url).href)) as Browser;
  const shots = process.env.TENFOLD_TEST_SHOTS ?? join(platform.dir, "shots");
  const signIn = async (name: string) =>
    (JSON.parse(await platform.tenfold("open", "--print", "--name", name, "--json")) as { url: string }).url;
  await suite.step("where nothing has happened yet, every page says what it is for and what to do first", async () => {
    const report = await walk({ url: platform.url, signInUrl: await signIn("owner"), shots });
    console.log(`    ${report.pages} pages`);
  });
  const { folder, roots } = await setUpReleases(platform);
  const words = ["--devices", String(devices), "--heartbeat", "2s", "--state", join(platform.dir, "fleet"), "--tuf-roots", roots];
  const simulator = spawn(process.execPath, ["apps/cli/src/main.ts", "--data", platform.dataDir, "sim", "start", ...words], {
    stdio: "ignore",
  });
  let stage: Stage | undefined;
  const staged = (): Stage => {
    if (stage) return stage;
    throw new Error("The stage was not set.");
  };
  try {
    await suite.step(`${devices} simulated devices come online`, () =>
      eventually(async () => {
        const { connectivity } = JSON.parse(await platform.tenfold("api", "GET", "/api/v1/device-summary")) as {
          connectivity: Record<string, number>;
        };
        if ((connectivity.online ?? 0) < devices) throw new Error(`${connectivity.online ?? 0} online`);
      }, 60_000),
    );
    await suite.step("a bad release is halted by its canary, and what a device left behind is pinned to it", async () => {
      stage = await setStage(platform, folder);
    });
    const visit = async () => ({ url: platform.url, signInUrl: await signIn("owner"), shots, stage: staged() });
    await suite.step(
      "every page stands in Chromium, light, dark and narrow, with one heading, named controls, no error and no request to another host",
      async () => {
        const report = await walk(await visit());
        console.log(`    ${report.pages} pages, ${report.requests} requests, ${report.shots.length} pictures`);
      },
    );
    await suite.step(
      "operators plan, start, pause, undo, approve as two persons, freeze, pin, store plans, read and print the halt, by mouse and keyboard",
      async () => {
        const done = await act({ ...(await visit()), secondUrl: await signIn("bob") });
        for (const sentence of done) console.log(`    ${sentence}`);
      },
    );
  } finally {
    const ended = once(simulator, "exit");
    simulator.kill("SIGTERM");
    await ended;
  }
  return { passed: suite.passed, failed: suite.failed };
}
