import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type RunningPlatform, runPlatform } from "../../../tools/running-platform.ts";
import { releaseFile, releaseKey, startRollout } from "../../../tools/third-party/ddi.ts";
import { eventually } from "../../../tools/third-party/steps.ts";

type Crash = { kind: string; title: string; frames: string[]; version?: string; build?: string; rollout?: string; pinned: boolean };

/** The program itself, as a person would start it. */
function startAgent(args: string[]): AsyncDisposable & { log(): string } {
  const child = spawn(process.execPath, ["apps/agent/src/main.ts", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes: Buffer) => (log += bytes.toString()));
  return {
    log: () => log,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

/** Asks the API itself: looking again by the command line would keep the machine busy. */
async function ask({ url, token }: RunningPlatform, path: string): Promise<unknown> {
  const answer = await fetch(`${url}/api/v1${path}`, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 200, path);
  return answer.json();
}

/** Firmware that reaches the pressure sensor, and finds nothing there. */
const crashing = `
function readPressure() { throw new TypeError("the pressure sensor answered nothing"); }
function controlLoop() { readPressure(); }
setTimeout(() => controlLoop(), 200);
`;

test("a release whose program crashes is left again, and its last words are pinned to its rollout, once", {
  timeout: 400_000,
}, async () => {
  await using platform = await runPlatform({ TENFOLD_ROLLOUT_TICK: "200ms" });
  const key = await releaseKey(platform);
  const image = join(platform.dir, "pump.js");
  await writeFile(image, crashing);
  await releaseFile(platform, { file: image, key, version: "2.0.0" });
  const { code } = JSON.parse(await platform.tenfold("enroll", "code", "box-1", "--json")) as { code: string };
  const cores = join(platform.dir, "cores");
  await mkdir(cores);
  await using agent = startAgent([
    ...["--server", platform.deviceUrl, "--mqtt-server", `mqtts://localhost:${platform.mqttPort}`, "--ca", platform.ca],
    ...["--device", "box-1", "--code", code, "--state", join(platform.dir, "box-1"), "--release-keys", `${key}.pub`],
    ...["--firmware-version", "1.0.0", "--heartbeat", "1s", "--telemetry", "1s", "--cores", cores],
    ...["--payload", `${process.execPath} {image}`],
  ]);
  try {
    await eventually(async () => void (await ask(platform, "/devices/box-1")), 60_000);
    const rollout = await startRollout(platform, "2.0.0", "box-1");
    await eventually(async () => {
      const { items } = (await ask(platform, "/devices/box-1/deployments")) as { items: { state: string; reason?: string }[] };
      assert.deepEqual(
        items.map(({ state, reason }) => [state, reason]),
        [["rolled_back", "validate_self_test_failed"]],
      );
    }, 120_000);

    const crashes = async () => ((await ask(platform, "/crashes?device=box-1")) as { items: Crash[] }).items;
    await eventually(async () => assert.equal((await crashes()).length, 1), 60_000);
    const [crash] = await crashes();
    assert.match(crash?.title ?? "", /TypeError: the pressure sensor answered nothing/);
    assert.deepEqual(crash?.frames.slice(0, 2), ["readPressure", "controlLoop"]);
    assert.deepEqual([crash?.kind, crash?.version, crash?.rollout, crash?.pinned], ["log", "2.0.0", rollout, true]);

    // A core that another program leaves later is found, too, and the same file is not sent again.
    await writeFile(join(cores, "core.pump.1"), Buffer.alloc(100_000, "not quite a core"));
    await eventually(async () => assert.deepEqual((await crashes()).map(({ kind }) => kind).toSorted(), ["core", "log"]), 60_000);
    const report = await platform.tenfold("rollout", "crashes", rollout);
    assert.match(report, /the pressure sensor answered nothing/);
  } catch (error) {
    console.error(agent.log());
    throw error;
  }
});
