/** RAUC from Debian: its service installs real signed bundles that came over DDI, fetched by curl or by rauc-hawkbit-updater itself where it is there. */
import assert from "node:assert/strict";
import { mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunningPlatform } from "../running-platform.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { type Deployment, deploymentOf, type ImageKey, makeImageKey, releaseFile, releaseKey, startRollout } from "./ddi.ts";
import { provideUpdater } from "./rauc-hawkbit-updater.ts";
import { attempt, enrollByCode, type ShellDevice, sh } from "./shell-device.ts";
import { type Counts, eventually, same, steps } from "./steps.ts";

export const env = { TENFOLD_DDI_POLLING: "1s", TENFOLD_ROLLOUT_TICK: "200ms" };

export async function run(platform: RunningPlatform): Promise<Counts> {
  const suite = steps("rauc");
  const signer = await makeImageKey(platform);
  await using board = await startBoard(platform, signer);
  const key = await releaseKey(platform);
  const release = async (version: string, options: { compatible?: string; size?: number } = {}) => {
    const bundle = await makeBundle(platform, { version, signer, ...options });
    await releaseFile(platform, { file: bundle.file, key, version });
    return bundle;
  };
  await byCurl(platform, { suite, board, release });
  const updater = await provideUpdater();
  if ("command" in updater) await byUpdater(platform, { suite, board, release, updater: updater.command });
  else console.log(`- rauc: rauc-hawkbit-updater itself was skipped: ${updater.missing}`);
  return { passed: suite.passed, failed: suite.failed, skipped: "missing" in updater ? 1 : 0 };
}

type Bundle = { file: string; image: Buffer };
type Stage = {
  suite: ReturnType<typeof steps>;
  board: Board;
  release: (version: string, options?: { compatible?: string; size?: number }) => Promise<Bundle>;
};

/** The requests of the updater, one by one. */
async function byCurl(platform: RunningPlatform, { suite: { step }, board, release }: Stage): Promise<void> {
  const device = await enrollByCode(platform, "board-curl");
  const base = `${platform.deviceUrl}/DEFAULT/controller/v1/${device.id}`;
  const ask = (url: string, ...args: string[]) =>
    sh("curl", "-sSf", "--cacert", platform.ca, "--cert", device.cert, "--key", device.key, ...args, url);
  const send = (method: string, url: string, body: unknown) =>
    ask(url, "-X", method, "-H", "Content-Type: application/json", "-w", "%{http_code}", "--data-binary", JSON.stringify(body));
  const tell = (version: string) =>
    send("PUT", `${base}/configData`, { data: { firmware_version: version }, status: {}, time: "20260101T000000" });
  const status = (execution: string, finished: string) => ({
    id: "1",
    status: { execution, result: { finished }, details: [execution] },
  });

  await step(
    "a bundle that curl fetched over DDI is what rauc made, and its service installs it; the report is no success",
    async () => {
      same(await tell("1.0.0"), "{}200");
      const { image } = await release("2.0.0");
      const rollout = await startRollout(platform, "2.0.0", device.id);
      let href = "";
      await eventually(async () => {
        href = JSON.parse(await ask(base))._links.deploymentBase?.href ?? "";
        assert.notEqual(href, "");
      });
      const { id, deployment } = JSON.parse(await ask(href));
      const [artifact] = deployment.chunks[0].artifacts;
      const file = join(platform.dir, artifact.filename);
      await ask(artifact._links.download.href, "-o", file);
      same((await sh("sha1sum", file)).slice(0, 40), artifact.hashes.sha1);
      await sh("env", board.bus, "rauc", "install", file);
      same((await board.otherSlot()).subarray(0, image.length).equals(image), true);
      same(await send("POST", `${base}/deploymentBase/${id}/feedback`, status("closed", "success")), "{}200");
      same((await deploymentOf(platform, device.id, rollout)).state, "rebooting");
      same(await tell("2.0.0"), "{}200");
      same((await deploymentOf(platform, device.id, rollout)).state, "succeeded");
    },
  );
}

async function byUpdater(
  platform: RunningPlatform,
  { suite: { step }, board, release, updater }: Stage & { updater: string },
): Promise<void> {
  const device = await enrollByCode(platform, "board-updater");
  const until = (rollout: string, examine: (deployment: Deployment) => void) =>
    eventually(async () => examine(await deploymentOf(platform, device.id, rollout)), 40_000);
  const boot = (version: string, bytesPerS = 0) => startUpdater(platform, { updater, device, board, version, bytesPerS });
  let rollout = "";

  const { image } = await release("2.1.0");
  await step(
    "the updater tells its version, fetches, has RAUC install, and reports success before its reboot: not a success",
    async () => {
      await using _updater = await boot("1.0.0");
      await eventually(async () => {
        const shown = JSON.parse(await platform.tenfold("device", "show", device.id, "--json")) as {
          firmware?: { version: string };
        };
        same(shown.firmware?.version, "1.0.0");
      }, 20_000);
      rollout = await startRollout(platform, "2.1.0", device.id);
      await until(rollout, ({ state }) => same(state, "rebooting"));
      same((await board.otherSlot()).subarray(0, image.length).equals(image), true);
      // It is asked for its version while it still runs the old one, and that decides nothing.
      await new Promise((asked) => setTimeout(asked, 3_000));
      same((await deploymentOf(platform, device.id, rollout)).state, "rebooting");
    },
  );
  await step("started from the new image it is verified", async () => {
    await using _updater = await boot("2.1.0");
    await until(rollout, ({ state }) => same(state, "succeeded"));
  });

  await release("2.2.0", { compatible: "another-board" });
  await step("a bundle for other hardware is refused by RAUC and reported as failed, with its log", async () => {
    await using _updater = await boot("2.1.0");
    rollout = await startRollout(platform, "2.2.0", device.id);
    await until(rollout, ({ state, log }) => {
      same(state, "failed");
      assert.ok(log.length > 0);
    });
  });

  await release("2.3.0", { size: 3_000_000 });
  await step("a download that is under way is cancelled when the rollout halts", async () => {
    await using _updater = await boot("2.1.0", 100_000);
    rollout = await startRollout(platform, "2.3.0", device.id);
    await until(rollout, ({ state }) => same(state, "downloading"));
    await platform.tenfold("api", "POST", `/api/v1/rollouts/${rollout}/rollback`, "--body", '{"reason":"test"}');
    await until(rollout, ({ state, reason }) => same([state, reason], ["cancelled", "rollout_halted"]));
  });
}

type Made = { version: string; signer: ImageKey; compatible?: string; size?: number };

async function makeBundle(
  platform: RunningPlatform,
  { version, signer, compatible = "tenfold-board", size = 200_000 }: Made,
): Promise<Bundle> {
  const dir = join(platform.dir, `bundle-${version}`);
  const file = join(platform.dir, `rootfs-${version}.raucb`);
  await mkdir(dir, { recursive: true });
  // Bytes that cannot be compressed, so that a download takes its time.
  const image = Buffer.from(await sh("openssl", "rand", "-base64", String(size)));
  await writeFile(join(dir, "rootfs.img"), image);
  await writeFile(
    join(dir, "manifest.raucm"),
    `[update]\ncompatible=${compatible}\nversion=${version}\n[bundle]\nformat=plain\n[image.rootfs]\nfilename=rootfs.img\n`,
  );
  await sh("rauc", "--cert", signer.cert, "--key", signer.key, "bundle", dir, file);
  return { file, image };
}

type Board = AsyncDisposable & {
  /** The setting of the environment that leads to the board's own system bus. */
  bus: string;
  /** What lies in the slot that is not running. */
  otherSlot(): Promise<Buffer>;
};

/** A machine with two slots: a system bus of its own, and RAUC's service on it. */
async function startBoard(platform: RunningPlatform, signer: ImageKey): Promise<Board> {
  const dir = join(platform.dir, "board");
  await mkdir(join(dir, "mnt"), { recursive: true });
  const at = (name: string) => join(dir, name);
  for (const slot of ["slot-a", "slot-b"]) {
    await writeFile(at(slot), "");
    await truncate(at(slot), 8 * 1024 * 1024);
  }
  const slotOf = (name: string, slot: string) => `[slot.rootfs.${name}]\ndevice=${at(slot)}\ntype=raw\nbootname=${slot}\n`;
  await writeFile(
    at("system.conf"),
    `[system]\ncompatible=tenfold-board\nbootloader=noop\nstatusfile=${at("status")}\nmountprefix=${at("mnt")}\nbundle-formats=plain verity\n` +
      `[keyring]\npath=${signer.cert}\nallow-partial-chain=true\n${slotOf("0", "slot-a")}${slotOf("1", "slot-b")}`,
  );
  const allowed = ['send_destination="*"', 'receive_sender="*"', 'own="*"', 'user="*"'].map((what) => `<allow ${what}/>`).join("");
  await writeFile(
    at("bus.conf"),
    `<busconfig><type>system</type><listen>unix:path=${at("bus")}</listen><auth>EXTERNAL</auth><policy context="default">${allowed}</policy></busconfig>`,
  );
  const bus = `DBUS_SYSTEM_BUS_ADDRESS=unix:path=${at("bus")}`;
  const busDaemon = startDaemon({
    command: "dbus-daemon",
    args: [`--config-file=${at("bus.conf")}`, "--nofork"],
    logFile: at("bus.log"),
  });
  await eventually(async () => void (await sh("test", "-S", at("bus"))));
  const service = startDaemon({
    command: "rauc",
    args: ["-c", at("system.conf"), "--override-boot-slot=slot-a", "service"],
    env: { DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${at("bus")}` },
    logFile: at("service.log"),
  });
  await eventually(async () => same((await attempt("env", bus, "rauc", "status")).code, 0));
  return {
    bus,
    otherSlot: () => readFile(at("slot-b")),
    async [Symbol.asyncDispose]() {
      await service[Symbol.asyncDispose]();
      await busDaemon[Symbol.asyncDispose]();
    },
  };
}

type Boot = { updater: string; device: ShellDevice; board: Board; version: string; bytesPerS: number };

/** Runs the updater as after a boot into `version`. It knows no setting for a CA, only the machine's trust store, which a test leaves alone. */
async function startUpdater(platform: RunningPlatform, { updater, device, board, version, bytesPerS }: Boot): Promise<Daemon> {
  const config = join(platform.dir, "updater.conf");
  const client = {
    hawkbit_server: new URL(platform.deviceUrl).host,
    ssl: "true",
    ssl_verify: "false",
    tenant_id: "DEFAULT",
    target_name: device.id,
    ssl_key: device.key,
    ssl_cert: device.cert,
    bundle_download_location: join(platform.dir, "download.raucb"),
    retry_wait: "1",
    download_speed_limit: String(bytesPerS),
    log_level: "debug",
  };
  const lines = Object.entries(client).map(([name, value]) => `${name} = ${value}`);
  await writeFile(config, `[client]\n${lines.join("\n")}\n\n[device]\nfirmware_version = ${version}\n`);
  const [, address = ""] = /^[^=]*=(.*)$/.exec(board.bus) ?? [];
  return startDaemon({
    command: updater,
    args: ["-c", config],
    env: { DBUS_SYSTEM_BUS_ADDRESS: address },
    logFile: join(platform.dir, "updater.log"),
  });
}
