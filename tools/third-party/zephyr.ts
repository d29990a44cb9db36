/** Zephyr's own hawkBit client, unchanged, on a board that is a process (native_posix): its TCP/IP, TLS, HTTP, JSON, flash and MCUboot trailer are Zephyr's. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunningPlatform } from "../running-platform.ts";
import { type Deployment, deploymentOf, releaseFile, releaseKey } from "./ddi.ts";
import { enrollByCode, sh } from "./shell-device.ts";
import { type Counts, eventually, same, steps } from "./steps.ts";
import { brokenPayload, makeBoard } from "./zephyr/board.ts";
import { provideBoard } from "./zephyr/build.ts";
import { factoryFlash, signImage } from "./zephyr/mcuboot.ts";

export const env = { TENFOLD_DDI_POLLING: "1s", TENFOLD_ROLLOUT_TICK: "200ms", TENFOLD_DEVICE_HOSTNAMES: "tenfold.test,localhost" };

const serial = "b1";
/** The client's name for itself: the board, and the serial number in hexadecimal. */
const controllerId = `native_posix-${Buffer.from(serial).toString("hex")}`;
const patienceMs = 60_000;

export async function run(platform: RunningPlatform): Promise<Counts> {
  const built = await provideBoard();
  if ("missing" in built) {
    console.log(`- zephyr: skipped, because ${built.missing}`);
    return { passed: 0, failed: 0, skipped: 1 };
  }
  const at = (name: string) => join(platform.dir, name);
  const tool = { python: built.python, script: built.imgtool, key: at("image-key.pem") };
  await sh(tool.python, tool.script, "keygen", "--key", tool.key, "--type", "ecdsa-p256");
  const key = await releaseKey(platform);
  const device = await enrollByCode(platform, controllerId);
  await using board = await makeBoard(platform, { device, serial, built, tool });

  const image = async (version: string, { bytes = 60_000, text = "runs" } = {}): Promise<string> => {
    const [payload, file] = [at(`payload-${version}`), at(`image-${version}.signed.bin`)];
    await writeFile(payload, Buffer.alloc(bytes, `${text} ${version}\n`));
    await signImage(tool, { payload, version, file });
    return file;
  };
  const release = async (version: string, options?: { bytes?: number; text?: string }) =>
    releaseFile(platform, { file: await image(version, options), key, version });
  const until = (rollout: string, examine: (deployment: Deployment) => void) =>
    eventually(async () => examine(await deploymentOf(platform, device.id, rollout)), patienceMs);
  const suite = steps("zephyr");

  await factoryFlash(board.flash, await readFile(await image("1.0.0")));
  board.on();
  await suite.step("the board tells its version over mutual TLS, and its client its attributes", async () => {
    await eventually(async () => {
      const shown = JSON.parse(await platform.tenfold("device", "show", device.id, "--json")) as { firmware?: { version: string } };
      same(shown.firmware?.version, "1.0.0");
      const { reported } = JSON.parse(await platform.tenfold("api", "GET", `/api/v1/devices/${device.id}/state`)) as {
        reported: { attributes?: { VIN?: string } };
      };
      same(reported.attributes?.VIN, Buffer.from(serial).toString("hex"));
    }, patienceMs);
  });

  await suite.step(
    "an image is fetched into the other slot, tried after a reset, confirmed, and verified by what runs",
    async () => {
      await release("2.0.0");
      const rollout = await start(platform, { version: "2.0.0", device: device.id, deadline: "PT5M" });
      await until(rollout, ({ state }) => same(state, "succeeded"));
      same(board.started, ["1.0.0", "2.0.0"]);
      // It reports after its reset, and then nothing is left to be done.
      await eventually(async () => same(await linksOf(platform, device), []), patienceMs);
    },
  );

  await suite.step("an image that does not start falls back; the client calls that a success, and it is none", async () => {
    await release("3.0.0", { text: brokenPayload });
    const rollout = await start(platform, { version: "3.0.0", device: device.id, deadline: "PT45S" });
    await until(rollout, ({ state }) => assert.ok(["rolled_back", "unresponsive"].includes(state), state));
    same(board.started, ["1.0.0", "2.0.0", "3.0.0", "2.0.0"]);
  });

  await suite.step(
    "an image that is too large for the slot is never installed; it is cancelled when the rollout halts",
    async () => {
      await release("4.0.0", { bytes: 480_000 });
      const rollout = await start(platform, { version: "4.0.0", device: device.id, deadline: "PT5M" });
      await until(rollout, ({ state }) => same(state, "downloading"));
      await platform.tenfold("api", "POST", `/api/v1/rollouts/${rollout}/rollback`, "--body", '{"reason":"test"}');
      await until(rollout, ({ state, reason }) => same([state, reason], ["cancelled", "rollout_halted"]));
      same(board.started.at(-1), "2.0.0");
    },
  );
  if (suite.failed > 0) console.log((await board.log()).split("\n").slice(-60).join("\n"));
  return { passed: suite.passed, failed: suite.failed };
}

async function start(
  platform: RunningPlatform,
  { version, device, deadline }: { version: string; device: string; deadline: string },
) {
  const plan = { stages: [{ share: 1 }], retries: { most: 0 }, soak: "PT0S", onHalt: "stop", deadline };
  const body = JSON.stringify({ release: version, filter: `id:${device}`, ...plan });
  return (JSON.parse(await platform.tenfold("api", "POST", "/api/v1/rollouts", "--body", body)) as { id: string }).id;
}

async function linksOf(platform: RunningPlatform, { id, cert, key }: { id: string; cert: string; key: string }): Promise<string[]> {
  const url = `${platform.deviceUrl}/DEFAULT/controller/v1/${id}`;
  const { _links } = JSON.parse(await sh("curl", "-sSf", "--cacert", platform.ca, "--cert", cert, "--key", key, url)) as {
    _links: Record<string, unknown>;
  };
  return Object.keys(_links).filter((name) => name !== "installedBase");
}
