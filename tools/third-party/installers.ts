/**
 * The agent's installers, end to end: agent and platform of ours, RAUC's service over D-Bus and SWUpdate from Debian, and a boot loader as a
 * process of its own that keeps U-Boot's environment, which RAUC writes by Debian's `fw_setenv`.
 */
import assert from "node:assert/strict";
import { createHash, sign } from "node:crypto";
import { chmod, mkdir, open, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { canonicalJson } from "@tenfold/base";
import { generateSigningKey, readPrivateKey } from "@tenfold/ota";
import type { RunningPlatform } from "../running-platform.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { type ImageKey, makeImageKey, releaseFile, releaseKey, startRollout } from "./ddi.ts";
import { sh } from "./shell-device.ts";
import { type Counts, eventually, same, steps } from "./steps.ts";

export const env = { TENFOLD_ROLLOUT_TICK: "200ms" };

type Deployment = { rollout: string; state: string; reason?: string; detail?: string };

export async function run(platform: RunningPlatform): Promise<Counts> {
  const counts = { passed: 0, failed: 0 };
  const key = await releaseKey(platform);
  const signer = await makeImageKey(platform);
  const foreign = await otherKey(platform);
  for (const make of [raucBoard, swupdateBoard]) {
    const board = await make(platform, { releaseKey: `${key}.pub`, signer });
    const { passed, failed } = await examine(platform, { board, key, foreign });
    counts.passed += passed;
    counts.failed += failed;
  }
  return counts;
}

type Made = { version: string; text?: string; for?: "this" | "another"; signed?: "ours" | ImageKey; boots?: "signed" | "unsigned" };

type Board = {
  name: "rauc" | "swupdate";
  device: string;
  folder: string;
  makeUpdate(made: Made): Promise<string>;
  start(): Daemon;
  slot(name: "a" | "b"): Promise<Buffer>;
};

type Examination = { board: Board; key: string; foreign: ImageKey };

async function examine(platform: RunningPlatform, { board, key, foreign }: Examination): Promise<Counts> {
  const suite = steps(`installers (${board.name})`);
  const { step } = suite;
  const update = async (made: Made, spoil?: (file: string) => Promise<void>) => {
    const version = `${made.version}-${board.name}`;
    const file = await board.makeUpdate({ ...made, version });
    await spoil?.(file);
    await releaseFile(platform, { file, key, version });
    return startRollout(platform, version, board.device);
  };
  const until = (rollout: string, state: string, reason?: string) =>
    eventually(async () => {
      const { items } = (await ask(platform, `/devices/${board.device}/deployments`)) as { items: Deployment[] };
      const found = items.find((one) => one.rollout === rollout);
      assert.deepEqual([found?.state, found?.reason], [state, reason], `${found?.state} ${found?.reason}: ${found?.detail}`);
    }, 120_000);
  const starts = async () => (await bootLog(board)).filter(({ event }) => event === "start").map(({ version }) => version);
  let machine = board.start();
  try {
    await step("the agent tells what the boot loader started", () =>
      eventually(async () => {
        const shown = (await ask(platform, `/devices/${board.device}`)) as { firmware?: { version: string } };
        same(shown.firmware?.version, "1.0.0");
      }, 60_000),
    );
    await step("an update is installed into the other slot, started on trial, and kept: a verified boot", async () => {
      await until(await update({ version: "2.0.0" }), "succeeded");
      assert.match((await board.slot("b")).subarray(512, 600).toString(), /2\.0\.0/);
      // The boot loader's own variables say so too, read by a program of others.
      const variables = await sh("fw_printenv", "-c", join(board.folder, "fw_env.config"));
      assert.match(variables, /^BOOT_ORDER=B/m);
      assert.match(variables, /^BOOT_B_LEFT=3$/m);
    });
    await step("a system that dies at each start is started three times and left, for that reason", async () => {
      await until(await update({ version: "2.1.0", text: "crashes at start" }), "rolled_back", "boot_loop");
      same((await starts()).filter((version) => version?.startsWith("2.1.0")).length, 3);
      same((await starts()).at(-1), `2.0.0-${board.name}`);
    });
    await step("an image that the boot loader does not trust is installed, never started, and left", async () => {
      await until(await update({ version: "2.2.0", boots: "unsigned" }), "rolled_back", "boot_fell_back");
      same((await starts()).filter((version) => version?.startsWith("2.2.0")).length, 0);
    });
    await step("an image for other hardware is refused by the installer", async () =>
      until(await update({ version: "2.3.0", for: "another" }), "failed", "install_incompatible"),
    );
    await step("an image that another key signed is refused by the installer", async () =>
      until(await update({ version: "2.4.0", signed: foreign }), "failed", "verify_signature_invalid"),
    );
    await step("an image that was broken before it was released is refused by the installer", async () =>
      until(await update({ version: "2.5.0" }, flipInTheMiddle), "failed", "verify_signature_invalid"),
    );
    await step("power that fails while the installer writes leads to the same end", async () => {
      const rollout = await update({ version: "2.6.0", text: "x".repeat(3_000_000) });
      const before = (await machine.log()).split('"step":"install"').length;
      await eventually(async () => assert.ok((await machine.log()).split('"step":"install"').length > before), 60_000);
      await machine.cutPower();
      machine = board.start();
      await until(rollout, "succeeded");
    });
  } catch (error) {
    console.log(await machine.log());
    throw error;
  } finally {
    await machine[Symbol.asyncDispose]();
  }
  return { passed: suite.passed, failed: suite.failed };
}

type BootLine = { event: string; slot?: string; version?: string };

const bootLog = async ({ folder }: Board): Promise<BootLine[]> =>
  (await readFile(join(folder, "boot.log"), "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as BootLine);

async function ask({ url, token }: RunningPlatform, path: string): Promise<unknown> {
  const answer = await fetch(`${url}/api/v1${path}`, { headers: { Authorization: `Bearer ${token}` } });
  same(answer.status, 200);
  return answer.json();
}

async function flipInTheMiddle(file: string): Promise<void> {
  const handle = await open(file, "r+");
  const { size } = await handle.stat();
  await handle.write(Buffer.from("not what was signed"), 0, 19, Math.floor(size / 2));
  await handle.close();
}

async function otherKey(platform: RunningPlatform): Promise<ImageKey> {
  const dir = join(platform.dir, "foreign");
  await mkdir(dir, { recursive: true });
  return makeImageKey({ ...platform, dir });
}

/** What a slot holds: 512 bytes that the boot loader reads, and the system behind. */
function bootable(version: string, text: string, privateKeyPem: string): Buffer {
  const body = Buffer.from(`system ${version} ${text}\n`.padEnd(100_000, "."));
  const sha256 = createHash("sha256").update(body).digest("hex");
  const said = { magic: "TFBOOT1", version, size: body.length, sha256 };
  const sig = sign(null, Buffer.from(canonicalJson(said)), readPrivateKey(privateKeyPem)).toString("hex");
  return Buffer.concat([Buffer.from(JSON.stringify({ ...said, sig }).padEnd(512, " ")), body]);
}

type Keys = { releaseKey: string; signer: ImageKey };
/** What differs between the boards. `system` is run before the agent, with the slot as $1. */
type BoardKind = Pick<Board, "name"> & {
  agent: (at: (name: string) => string) => string[];
  system: (at: (name: string) => string) => string;
  pack: (made: Made & { dir: string; image: Buffer; file: string }) => Promise<void>;
  extension: string;
};

async function makeBoard(platform: RunningPlatform, { releaseKey: release }: Keys, kind: BoardKind): Promise<Board> {
  const device = `board-${kind.name}`;
  const folder = join(platform.dir, device);
  const at = (name: string) => join(folder, name);
  await mkdir(folder, { recursive: true });
  const burnedIn = generateSigningKey();
  await writeFile(at("boot.pub"), burnedIn.publicKeyPem);
  for (const slot of ["slot-a", "slot-b"])
    await writeFile(at(slot), slot === "slot-a" ? bootable("1.0.0", "", burnedIn.privateKeyPem) : "");
  for (const slot of ["slot-a", "slot-b"]) await truncate(at(slot), 8 * 1_024 * 1_024);
  await writeFile(at("fw_env.config"), `${at("env.1")} 0x0 0x4000\n${at("env.2")} 0x0 0x4000\n`);
  const { code } = JSON.parse(await platform.tenfold("enroll", "code", device, "--json")) as { code: string };
  const agent = [
    ...["--server", platform.deviceUrl, "--mqtt-server", `mqtts://localhost:${platform.mqttPort}`, "--ca", platform.ca],
    ...["--device", device, "--code", code, "--state", at("state"), "--release-keys", release, "--firmware-version", "1.0.0"],
    ...["--heartbeat", "1s", "--telemetry", "5s", "--trial", "60s", "--pstore", at("none"), "--boot-log", at("boot.log")],
    ...["--installer", kind.name, ...kind.agent(at)],
  ];
  await writeFile(
    at("system.sh"),
    `if head -c 700 ${at("slot-")}$1 | grep -q "crashes at start"; then exit 1; fi\n${kind.system(at)}\n` +
      `${process.execPath} apps/agent/src/main.ts ${agent.map((word) => `'${word.replace("$1", "'$1'")}'`).join(" ")} &\nagent=$!\n` +
      `trap 'kill $agent $service 2>/dev/null' TERM\nwait $agent\nended=$?\nkill $service 2>/dev/null\nwait\nexit $ended\n`,
  );
  return {
    name: kind.name,
    device,
    folder,
    slot: (name) => readFile(at(`slot-${name}`)),
    async makeUpdate(made) {
      const dir = at(`update-${made.version}`);
      await mkdir(dir, { recursive: true });
      const { privateKeyPem } = made.boots === "unsigned" ? generateSigningKey() : burnedIn;
      const file = at(`${made.version}.${kind.extension}`);
      await kind.pack({ ...made, dir, file, image: bootable(made.version, made.text ?? "", privateKeyPem) });
      return file;
    },
    start() {
      const loader = ["apps/agent/src/boot-loader/main.ts", "--env", at("env.1"), "--env", at("env.2"), "--keys", at("boot.pub")];
      const slots = ["--raw", `a=${at("slot-a")}`, "--raw", `b=${at("slot-b")}`];
      const args = [...loader, "--log", at("boot.log"), ...slots, "--", "sh", at("system.sh"), "{slot}"];
      // RAUC mounts what it installs, and a power cut leaves that behind.
      const after = async () => void (await sh("sh", "-c", `umount '${at("mnt/bundle")}' 2>/dev/null || true`));
      return startDaemon({ command: process.execPath, args, logFile: at("console.log"), after });
    },
  };
}

async function raucBoard(platform: RunningPlatform, keys: Keys): Promise<Board> {
  const bus = (at: (name: string) => string) => `unix:path=${at("bus")}`;
  const board = await makeBoard(platform, keys, {
    name: "rauc",
    extension: "raucb",
    agent: (at) => ["--bus", bus(at)],
    // A system bus of its own, and RAUC's service on it, which is told by the kernel's command line what was booted.
    system: (at) =>
      `rm -f ${at("bus")}\ndbus-daemon --config-file=${at("bus.conf")} --nofork 2>/dev/null &\nservice=$!\n` +
      `until test -S ${at("bus")}; do sleep 0.1; done\n` +
      `PATH=${at("bin")}:$PATH DBUS_SYSTEM_BUS_ADDRESS=${bus(at)} rauc -c ${at("system.conf")} --override-boot-slot=$(echo $1 | tr ab AB) service >>${at("rauc.log")} 2>&1 &\nservice="$service $!"\n` +
      `until busctl --address=${bus(at)} get-property de.pengutronix.rauc / de.pengutronix.rauc.Installer BootSlot >/dev/null 2>&1; do sleep 0.1; done`,
    async pack({ version, for: hardware = "this", signed = "ours", dir, image, file }) {
      const { cert, key } = signed === "ours" ? keys.signer : signed;
      await writeFile(join(dir, "rootfs.img"), image);
      const compatible = hardware === "this" ? "tenfold-board" : "another-board";
      const manifest = `[update]\ncompatible=${compatible}\nversion=${version}\n[bundle]\nformat=plain\n[image.rootfs]\nfilename=rootfs.img\n`;
      await writeFile(join(dir, "manifest.raucm"), manifest);
      await sh("rauc", "--cert", cert, "--key", key, "bundle", dir, file);
    },
  });
  const at = (name: string) => join(board.folder, name);
  await mkdir(at("mnt"), { recursive: true });
  await mkdir(at("bin"), { recursive: true });
  for (const tool of ["fw_printenv", "fw_setenv"]) {
    await writeFile(at(`bin/${tool}`), `#!/bin/sh\nexec /usr/bin/${tool} -c ${at("fw_env.config")} "$@"\n`);
    await chmod(at(`bin/${tool}`), 0o755);
  }
  const slotOf = (index: string, slot: string, name: string) =>
    `[slot.rootfs.${index}]\ndevice=${at(slot)}\ntype=raw\nbootname=${name}\n`;
  await writeFile(
    at("system.conf"),
    `[system]\ncompatible=tenfold-board\nbootloader=uboot\nactivate-installed=false\nstatusfile=${at("status")}\nmountprefix=${at("mnt")}\nbundle-formats=plain verity\n` +
      `[keyring]\npath=${keys.signer.cert}\nallow-partial-chain=true\n${slotOf("0", "slot-a", "A")}${slotOf("1", "slot-b", "B")}`,
  );
  const allowed = ['send_destination="*"', 'receive_sender="*"', 'own="*"', 'user="*"'].map((what) => `<allow ${what}/>`).join("");
  await writeFile(
    at("bus.conf"),
    `<busconfig><type>system</type><listen>${bus(at)}</listen><auth>EXTERNAL</auth><policy context="default">${allowed}</policy></busconfig>`,
  );
  return board;
}

async function swupdateBoard(platform: RunningPlatform, keys: Keys): Promise<Board> {
  const board = await makeBoard(platform, keys, {
    name: "swupdate",
    extension: "swu",
    agent: (at) => [
      ...["--swupdate", `swupdate -f ${at("swupdate.cfg")} -H board:1.0`, "--swupdate-select", "stable,{slot}"],
      ...["--boot-env", `${at("env.1")},${at("env.2")}`, "--boot-slot", "$1"],
    ],
    system: () => "service=",
    async pack({ version, for: hardware = "this", signed = "ours", dir, image, file }) {
      const { cert, key } = signed === "ours" ? keys.signer : signed;
      await writeFile(join(dir, "image.bin"), image);
      const sha256 = createHash("sha256").update(image).digest("hex");
      const into = (slot: string) =>
        `${slot}: { images: ( { filename = "image.bin"; device = "${join(platform.dir, "board-swupdate", `slot-${slot}`)}"; type = "raw"; sha256 = "${sha256}"; } ); };`;
      const fits = hardware === "this" ? "1.0" : "9.9";
      const description = `software = { version = "${version}"; hardware-compatibility = [ "${fits}" ];\n stable: { ${into("a")} ${into("b")} };\n};\n`;
      await writeFile(join(dir, "sw-description"), description);
      const text = join(dir, "sw-description");
      const cms = ["cms", "-sign", "-binary", "-nosmimecap", "-outform", "DER", "-in", text, "-out", `${text}.sig`];
      await sh("openssl", ...cms, "-signer", cert, "-inkey", key);
      const list = "sw-description\\nsw-description.sig\\nimage.bin\\n";
      await sh("sh", "-c", `cd '${dir}' && printf '${list}' | cpio -o -H crc > '${file}' 2>/dev/null`);
    },
  });
  const config = `globals : { verbose = true; loglevel = 5; public-key-file = "${keys.signer.cert}"; };\n`;
  await writeFile(join(board.folder, "swupdate.cfg"), config);
  return board;
}
