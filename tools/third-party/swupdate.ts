/** SWUpdate's daemon (suricatta) from Debian, unchanged: it fetches, installs, reports, is cancelled, and fails; only what it runs afterwards is success. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunningPlatform } from "../running-platform.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { type Deployment, deploymentOf, makeImageKey, makeSwu, releaseFile, releaseKey, startRollout } from "./ddi.ts";
import { enrollByCode, type ShellDevice, sh } from "./shell-device.ts";
import { type Counts, eventually, same, steps } from "./steps.ts";

/** Polls as often as it can be told to, so that the suite takes seconds. */
export const env = { TENFOLD_DDI_POLLING: "1s", TENFOLD_ROLLOUT_TICK: "200ms" };

export async function run(platform: RunningPlatform): Promise<Counts> {
  const suite = steps("swupdate");
  const { step } = suite;
  const device = await enrollByCode(platform, "gate-1");
  const key = await releaseKey(platform);
  const signer = await makeImageKey(platform);
  const target = join(platform.dir, "installed.bin");
  const board = { platform, device, ca: signer.cert };
  const release = async (version: string, bytes: Buffer, options: { spoil?: (file: Buffer) => Buffer } = {}) => {
    const file = await makeSwu(platform, { version, bytes, target, signer });
    if (options.spoil) await writeFile(file, options.spoil(await readFile(file)));
    await releaseFile(platform, { file, key, version });
  };
  const until = (rollout: string, examine: (deployment: Deployment) => void) =>
    eventually(async () => examine(await deploymentOf(platform, device.id, rollout)), 40_000);

  await step("the daemon tells what it runs when it starts, over mutual TLS", async () => {
    await using _daemon = await startSwupdate(board, { version: "1.0.0" });
    await eventually(async () => same((await shown(platform, device)).firmware?.version, "1.0.0"), 30_000);
  });

  const image = Buffer.from(`firmware 2.0.0 ${"x".repeat(200_000)}`);
  await release("2.0.0", image);
  let rollout = "";
  await step("it fetches and installs a release; its success is no success yet", async () => {
    rollout = await startRollout(platform, "2.0.0", device.id);
    await using _daemon = await startSwupdate(board, { version: "1.0.0" });
    await until(rollout, ({ log }) =>
      assert.ok(
        log.some((line) => /All Chunks Installed/.test(line)),
        JSON.stringify(log),
      ),
    );
    same((await readFile(target)).equals(image), true);
  });
  await step("after the restart into the new image it reports and tells the new version: a verified boot", async () => {
    await using _daemon = await startSwupdate(board, { version: "2.0.0", confirm: "2" });
    await until(rollout, ({ state }) => same(state, "succeeded"));
  });

  await release("2.1.0", Buffer.from("firmware 2.1.0"));
  await step("an image that the boot loader left again is a failure, by what the client reports after the restart", async () => {
    rollout = await startRollout(platform, "2.1.0", device.id);
    {
      await using _daemon = await startSwupdate(board, { version: "2.0.0" });
      await until(rollout, ({ log }) =>
        assert.ok(
          log.some((line) => /All Chunks Installed/.test(line)),
          JSON.stringify(log),
        ),
      );
    }
    await using _daemon = await startSwupdate(board, { version: "2.0.0", confirm: "3" });
    await until(rollout, ({ state }) => same(state, "failed"));
  });

  await release("2.2.0", Buffer.from("firmware 2.2.0"));
  await step(
    "a client that reports success and comes back with the old image (by its boot id) is rolled back, not updated",
    async () => {
      rollout = await startRollout(platform, "2.2.0", device.id);
      {
        await using _daemon = await startSwupdate(board, { version: "2.0.0", boot: "one" });
        await until(rollout, ({ log }) =>
          assert.ok(
            log.some((line) => /All Chunks Installed/.test(line)),
            JSON.stringify(log),
          ),
        );
      }
      await using _daemon = await startSwupdate(board, { version: "2.0.0", boot: "two", confirm: "2" });
      await until(rollout, ({ state }) => same(state, "rolled_back"));
    },
  );

  await release("2.3.0", Buffer.from("firmware 2.3.0 ".repeat(2_000)), {
    spoil: (file) => {
      const at = file.lastIndexOf("firmware 2.3.0");
      file[at] = (file[at] ?? 0) ^ 1;
      return file;
    },
  });
  await step(
    "an image whose signed description does not fit its bytes is refused by the client, and the failure has its log",
    async () => {
      rollout = await startRollout(platform, "2.3.0", device.id);
      await using _daemon = await startSwupdate(board, { version: "2.0.0" });
      await until(rollout, ({ state, log }) => {
        same(state, "failed");
        assert.ok(log.length > 0, "no log was reported");
      });
    },
  );

  await release("2.4.0", Buffer.alloc(3_000_000, "2.4.0"));
  await step("a download that is under way is stopped when the rollout halts", async () => {
    rollout = await startRollout(platform, "2.4.0", device.id);
    const before = await readFile(target);
    await using _daemon = await startSwupdate(board, { version: "2.0.0", maxSpeed: "100k" });
    await until(rollout, ({ state }) => same(state, "downloading"));
    await platform.tenfold("api", "POST", `/api/v1/rollouts/${rollout}/rollback`, "--body", '{"reason":"test"}');
    await until(rollout, ({ state, reason }) => same([state, reason], ["cancelled", "rollout_halted"]));
    same((await readFile(target)).equals(before), true);
  });

  await step("another device's id in the client's settings is refused", async () => {
    const other = { ...device, id: "gate-2" };
    await using daemon = await startSwupdate({ ...board, device: other }, { version: "1.0.0" });
    await eventually(async () => assert.match(await daemon.log(), /HTTP 403|403|EACCES|Access/i), 30_000);
  });
  return { passed: suite.passed, failed: suite.failed };
}

async function shown(platform: RunningPlatform, { id }: ShellDevice): Promise<{ firmware?: { version: string } }> {
  return JSON.parse(await platform.tenfold("device", "show", id, "--json")) as { firmware?: { version: string } };
}

type Board = { platform: RunningPlatform; device: ShellDevice; ca: string };
/** `confirm` is what a real boot loader's environment would have kept over the restart: 2 the new image runs, 3 it does not. */
type Boot = { version: string; boot?: string; confirm?: "2" | "3"; maxSpeed?: string };

/** Runs the daemon as after a boot into `version`: this is what `identify` stands for in a real image. */
async function startSwupdate({ platform, device, ca }: Board, { version, boot, confirm, maxSpeed }: Boot): Promise<Daemon> {
  const dir = await mkdtemp(join(platform.dir, "swupdate-"));
  const config = join(dir, "swupdate.cfg");
  await writeFile(
    config,
    `globals : { verbose = true; loglevel = 5; public-key-file = "${ca}"; };
suricatta : { cafile = "${platform.ca}"; sslkey = "${device.key}"; sslcert = "${device.cert}"; };
identify : ( { name = "firmware_version"; value = "${version}"; }${boot ? `, { name = "boot_id"; value = "${boot}"; }` : ""} );\n`,
  );
  const suricatta = ["-t", "default", "-u", platform.deviceUrl, "-i", device.id, "-p", "1", "-r", "2", "-w", "1", "-m", "1"];
  if (confirm) suricatta.push("-c", confirm);
  if (maxSpeed) suricatta.push("-n", maxSpeed);
  return startDaemon({
    command: "swupdate",
    args: ["-f", config, "-H", "board:1.0", "-p", "true", "-u", suricatta.join(" ")],
    env: { TMPDIR: dir },
    logFile: join(dir, "log"),
    after: async () => {
      await rm(dir, { recursive: true, force: true });
      await sh("rm", "-f", "/tmp/sockinstctrl", "/tmp/swupdateprog");
    },
  });
}
