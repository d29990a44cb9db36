import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { DeploymentReport, Heartbeat, SignedRelease } from "@tenfold/contracts";
import { artifactPath, generateSigningKey, readPrivateKey, signRelease } from "@tenfold/ota";
import { startPretendPlatform } from "@tenfold/testkit";

const maker = generateSigningKey();
/** A key whose releases the agent takes, and that the boot loader was never given. */
const newcomer = generateSigningKey();
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

type Line = { event: string; [field: string]: unknown };

/**
 * A machine: a boot loader as a process of its own, which starts a system, which is the agent as another. Cutting its power kills both at
 * once; nothing of this test's process takes part in what they decide.
 */
async function makeMachine() {
  const platform = await startPretendPlatform();
  platform.codes.set("box-1", "swordfish");
  const root = await mkdtemp(join(tmpdir(), "tenfold-machine-"));
  const at = (name: string) => join(root, name);
  await mkdir(at("state/slots"), { recursive: true, mode: 0o700 });
  const old = Buffer.from("the firmware that it was made with\n");
  await writeFile(at("state/slots/a.img"), old);
  await writeFile(at("state/slots/a.json"), JSON.stringify({ release: released("1.0.0", old, maker.privateKeyPem) }));
  await writeFile(at("ca.pem"), platform.ca);
  await writeFile(at("boot.pub"), maker.publicKeyPem);
  await writeFile(at("release.pub"), maker.publicKeyPem + newcomer.publicKeyPem);
  // Firmware decides by its content what becomes of the system that it is: real slots hold systems, these hold a word.
  await writeFile(at("test.sh"), `#!/bin/sh\n! grep -q "fails its test" ${at("state/slots/b.img")}\n`, { mode: 0o755 });
  const agent = [
    ...["--server", platform.httpsUrl, "--mqtt-server", platform.mqttUrl, "--ca", at("ca.pem")],
    ...["--device", "box-1", "--code", "swordfish", "--state", at("state"), "--release-keys", at("release.pub")],
    ...["--heartbeat", "1s", "--telemetry", "1s", "--trial", "20s", "--self-test", at("test.sh"), "--pstore", at("none")],
    ...["--boot-env", `${at("env.1")},${at("env.2")}`, "--boot-slot", "$1", "--boot-log", at("boot.log")],
  ];
  await writeFile(
    at("system.sh"),
    `if grep -q "crashes at start" ${at("state/slots")}/$1.img; then exit 1; fi\nexec ${process.execPath} apps/agent/src/main.ts ${agent.join(" ")}\n`,
  );
  const lines: Line[] = [];
  let process_: ChildProcess | undefined;
  return {
    platform,
    lines,
    at,
    switchOn() {
      const loader = ["apps/agent/src/boot-loader/main.ts", "--env", at("env.1"), "--env", at("env.2"), "--keys", at("boot.pub")];
      const args = [...loader, "--log", at("boot.log"), "--files", at("state/slots"), "--", "sh", at("system.sh"), "{slot}"];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"], detached: true });
      createInterface({ input: child.stdout }).on("line", (line) => lines.push(JSON.parse(line)));
      process_ = child;
    },
    async cutPower() {
      const child = process_;
      process_ = undefined;
      if (child?.pid === undefined || child.exitCode !== null) return;
      process.kill(-child.pid, "SIGKILL");
      await once(child, "close");
    },
    bootLog: async () =>
      (await readFile(at("boot.log"), "utf8"))
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as Line),
    async [Symbol.asyncDispose]() {
      await this.cutPower();
      await platform[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}

type Machine = Awaited<ReturnType<typeof makeMachine>>;

function released(version: string, image: Buffer, key: string): SignedRelease {
  const artifact = { sha256: sha256(image), size: image.length };
  const statement = {
    type: "tenfold.release.v1",
    name: "box",
    version,
    models: [],
    artifact,
    signedAt: "2026-01-02T03:04:05Z",
  } as const;
  return signRelease({ ...statement, models: [] }, readPrivateKey(key));
}

type Window = { maintenanceWindow?: "available" | "unavailable"; windowClosesInS?: number };

function offer({ platform }: Machine, text: string, key = maker.privateKeyPem, window: Window = {}): string {
  const image = Buffer.from(text.repeat(20_000));
  platform.artifacts.set(sha256(image), image);
  platform.setNext({
    is: "offer",
    deployment: "dep_1",
    release: released("2.0.0", image, key),
    artifactPath: artifactPath(sha256(image)),
    deadlineS: 600,
    rollback: false,
    ...window,
  });
  return sha256(image);
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `never came true: ${what}`);
    await pause(5);
  }
}

const heartbeats = ({ platform }: Machine): Heartbeat[] =>
  platform.heard.filter(({ topic }) => topic.endsWith("/heartbeat")).map(({ payload }) => JSON.parse(payload));
const ends = ({ platform }: Machine): string[] => [
  ...new Set(
    platform.heard
      .filter(({ topic }) => topic.includes("/deployments/"))
      .map(({ payload }) => JSON.parse(payload) as DeploymentReport)
      .filter(({ state }) => ["failed", "rolled_back", "skipped", "cancelled"].includes(state))
      .map(({ state, reason }) => `${state}:${reason}`),
  ),
];
const confirmed = (machine: Machine, version: string) =>
  heartbeats(machine).some(({ firmware }) => firmware.version === version && firmware.state === "confirmed");
const step = (name: string) => (line: Line) => line.event === "update.step" && line.step === name;

/** Where the power fails, by what the agent last said. */
const moments: [string, (line: Line) => boolean][] = [
  ["an offer is taken", ({ event }) => event === "deployment.offer"],
  ["what was downloaded is read back", step("verify")],
  ["the installation begins", step("begin_install")],
  ["the image is installed", step("install")],
  ["the trial is armed", step("arm")],
  ["it reboots", ({ event }) => event === "reboot"],
  ["the new firmware has started", ({ event, version }) => event === "agent.started" && version === "2.0.0"],
  ["the new firmware tests itself", step("self_test")],
  ["the new firmware is kept", ({ event }) => event === "firmware.confirmed"],
];

// Three machines at a time: each waits more than it works.
describe("a machine whose power may fail", { concurrency: 3 }, () => {
  for (const [moment, isIt] of moments) {
    test(`power that fails when ${moment} leads to the new firmware all the same, and to no other end`, {
      timeout: 120_000,
    }, async () => {
      await using machine = await makeMachine();
      const hash = offer(machine, "the second edition\n");
      machine.switchOn();
      await until(moment, () => machine.lines.some(isIt));
      await machine.cutPower();
      machine.platform.heard.length = moment === "the new firmware is kept" ? 0 : machine.platform.heard.length;
      machine.switchOn();
      await until("2.0.0 is confirmed", () => confirmed(machine, "2.0.0"));
      assert.deepEqual(ends(machine), []);
      assert.ok(heartbeats(machine).every(({ firmware }) => firmware.version === "1.0.0" || firmware.hash === hash));
      const started = (await machine.bootLog()).filter(({ event }) => event === "start").map(({ version }) => version);
      assert.ok(started.every((version) => version === "1.0.0" || version === "2.0.0"));
    });
  }

  for (const [moment, isIt] of [
    ["it tests itself", step("self_test")],
    ["it gives itself up", step("abandon")],
    ["it has given itself up", ({ event }: Line) => event === "firmware.abandoned"],
  ] as [string, (line: Line) => boolean][]) {
    test(`firmware that fails its test ends on the old one, for that reason, when the power fails while ${moment}`, {
      timeout: 120_000,
    }, async () => {
      await using machine = await makeMachine();
      offer(machine, "this edition fails its test\n");
      machine.switchOn();
      await until(
        moment,
        () =>
          machine.lines.some(isIt) ||
          (moment === "it gives itself up" && machine.lines.some(({ event }) => event === "firmware.abandoned")),
      );
      await machine.cutPower();
      machine.switchOn();
      await until("the end is told", () => ends(machine).length > 0);
      assert.deepEqual(ends(machine), ["rolled_back:validate_self_test_failed"]);
      await until("the old one is confirmed", () => heartbeats(machine).at(-1)?.firmware.version === "1.0.0");
    });
  }

  test("power that fails while a downloaded release waits for its window loses nothing: it waits on, and is installed from the disk when that opens", {
    timeout: 120_000,
  }, async () => {
    await using machine = await makeMachine();
    const text = "the second edition\n";
    const hash = offer(machine, text, maker.privateKeyPem, { maintenanceWindow: "unavailable" });
    const reports = () =>
      machine.platform.heard
        .filter(({ topic }) => topic.includes("/deployments/"))
        .map(({ payload }) => (JSON.parse(payload) as DeploymentReport).state);
    machine.switchOn();
    await until("it has it ready", () => reports().includes("verified"));
    for (let i = 0; i < 2; i++) {
      await machine.cutPower();
      machine.platform.heard.length = 0;
      machine.switchOn();
      await until("it speaks three times", () => heartbeats(machine).length >= 3);
      assert.ok(heartbeats(machine).every(({ firmware }) => firmware.version === "1.0.0"));
    }
    assert.ok(!machine.lines.some(step("begin_install")));
    offer(machine, text, maker.privateKeyPem, { maintenanceWindow: "available", windowClosesInS: 600 });
    // It could not be downloaded a second time.
    machine.platform.artifacts.clear();
    await until("the installation begins", () => machine.lines.some(step("begin_install")));
    await machine.cutPower();
    machine.switchOn();
    await until("2.0.0 is confirmed", () => confirmed(machine, "2.0.0"));
    assert.equal(heartbeats(machine).at(-1)?.firmware.hash, hash);
    assert.deepEqual(ends(machine), []);
  });

  test("a system that dies at each start is started three times, by the boot loader's own count; then the old one tells why, with the boot log", {
    timeout: 120_000,
  }, async () => {
    await using machine = await makeMachine();
    offer(machine, "this edition crashes at start\n");
    machine.switchOn();
    await until("the end is told", () => ends(machine).length > 0);
    assert.deepEqual(ends(machine), ["rolled_back:boot_loop"]);
    const starts = (await machine.bootLog()).filter(({ event }) => event === "start").map(({ slot }) => slot);
    assert.deepEqual(starts, ["a", "b", "b", "b", "a"]);
    await until("the boot log is sent", () => machine.platform.crashes.some(({ kind }) => kind === "bootlog"));
  });

  test("the boot loader starts no image without a signature by its own keys, whatever the agent believes", {
    timeout: 120_000,
  }, async () => {
    await using machine = await makeMachine();
    offer(machine, "signed by a newcomer\n", newcomer.privateKeyPem);
    machine.switchOn();
    await until("the end is told", () => ends(machine).length > 0);
    assert.deepEqual(ends(machine), ["rolled_back:boot_fell_back"]);
    const log = await machine.bootLog();
    assert.ok(log.some(({ event, slot }) => event === "refused" && slot === "b"));
    assert.ok(!log.some(({ event, slot }) => event === "start" && slot === "b"));
  });

  test("an image that rots between its installation and its start is not started", { timeout: 120_000 }, async () => {
    await using machine = await makeMachine();
    offer(machine, "the second edition\n");
    machine.switchOn();
    await until("it reboots", () => machine.lines.some(({ event }) => event === "reboot"));
    await machine.cutPower();
    const image = await readFile(machine.at("state/slots/b.img"));
    image[100] = (image[100] ?? 0) ^ 1;
    await writeFile(machine.at("state/slots/b.img"), image);
    const before = (await machine.bootLog()).length;
    machine.switchOn();
    await until("the end is told", () => ends(machine).length > 0);
    const log = (await machine.bootLog()).slice(before);
    assert.ok(!log.some(({ event, slot }) => event === "start" && slot === "b"));
    assert.deepEqual(ends(machine), ["rolled_back:boot_fell_back"]);
  });

  test("a boot loader whose environment was torn in the middle of a write goes by the other copy", {
    timeout: 120_000,
  }, async () => {
    await using machine = await makeMachine();
    offer(machine, "the second edition\n");
    machine.switchOn();
    await until("2.0.0 is confirmed", () => confirmed(machine, "2.0.0"));
    await machine.cutPower();
    for (const copy of ["env.1", "env.2"]) {
      const whole = await readFile(machine.at(copy));
      await writeFile(machine.at(copy), Buffer.concat([whole.subarray(0, 10), Buffer.alloc(whole.length - 10, 0xff)]));
      machine.platform.heard.length = 0;
      machine.switchOn();
      await until("it speaks", () => heartbeats(machine).length > 0);
      assert.equal(heartbeats(machine)[0]?.firmware.version, "2.0.0");
      await machine.cutPower();
      await writeFile(machine.at(copy), whole);
    }
  });
});
