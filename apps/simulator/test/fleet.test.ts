import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { NextDeployment, ReleaseStatement } from "@tenfold/contracts";
import { artifactPath, generateSigningKey, readPrivateKey, readPublicKey, signRelease } from "@tenfold/ota";
import { makeSimFirmware, type PretendPlatform, type SimFirmware, startPretendPlatform } from "@tenfold/testkit";
import { manufacture } from "../src/factory.ts";
import { fateOf, readBehaviour } from "../src/firmware.ts";
import { type Fleet, type FleetEvent, startFleet } from "../src/fleet/fleet.ts";
import type { ProfileName } from "../src/fleet/weather.ts";
import { deviceIds } from "../src/run.ts";

const keys = generateSigningKey();
const seed = 7;

type Scene = AsyncDisposable & {
  platform: PretendPlatform;
  fleet: Fleet;
  ids: string[];
  events: FleetEvent[];
  restart(): Promise<void>;
  offer(firmware: SimFirmware, deployment: string): void;
};

async function switchedOn({ devices, profile = "good" }: { devices: number; profile?: ProfileName }): Promise<Scene> {
  const platform = await startPretendPlatform();
  const folder = await mkdtemp(join(tmpdir(), "tenfold-sim-"));
  const ids = deviceIds("sim", devices);
  const events: FleetEvent[] = [];
  const open = async () => {
    const { files } = await manufacture({ folder, seed, ids, model: "sim-1", version: "1.0.0" });
    const trustedKeys = [readPublicKey(keys.publicKeyPem)];
    const { httpsUrl, mqttUrl, ca } = platform;
    return startFleet({
      files,
      folder,
      seed,
      httpsUrl,
      mqttUrl,
      ca,
      heartbeatMs: 500,
      telemetryMs: 300,
      profile,
      telemetry: "signals",
      rebootMs: 50,
      wrongClocks: 0,
      trustedKeys: () => trustedKeys,
      onEvent: (event) => events.push(event),
    });
  };
  const scene = {
    platform,
    fleet: await open(),
    ids,
    events,
    async restart() {
      await scene.fleet.stop();
      scene.fleet = await open();
    },
    offer(firmware: SimFirmware, deployment: string) {
      const bytes = makeSimFirmware(firmware, 200_000);
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      platform.artifacts.set(sha256, bytes);
      const statement: ReleaseStatement = {
        type: "tenfold.release.v1",
        name: "sim",
        version: firmware.version,
        models: [],
        artifact: { sha256, size: bytes.length },
        signedAt: "2026-01-02T03:04:05Z",
      };
      const next: NextDeployment = {
        is: "offer",
        deployment,
        release: signRelease(statement, readPrivateKey(keys.privateKeyPem)),
        artifactPath: artifactPath(sha256),
        deadlineS: 600,
        rollback: false,
      };
      platform.setNext(next);
    },
    async [Symbol.asyncDispose]() {
      await scene.fleet.stop();
      await platform[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return scene;
}

/** Waits for a fact of the world, at most 30 s. */
async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `never came true: ${what}`);
    await pause(20);
  }
}

const lastHeartbeats = ({ heard }: PretendPlatform) => {
  const last = new Map<string, { version: string; state: string }>();
  for (const { device, topic, payload } of heard) if (topic.endsWith("/heartbeat")) last.set(device, JSON.parse(payload).firmware);
  return last;
};

const running = (platform: PretendPlatform, version: string) =>
  [...lastHeartbeats(platform)]
    .filter(([, told]) => told.version === version && told.state === "confirmed")
    .map(([device]) => device)
    .toSorted();

test("a fleet enrolls, connects, and takes a good release; nobody is harmed", async () => {
  await using scene = await switchedOn({ devices: 20 });
  const { platform, ids } = scene;
  await until("all are connected", () => platform.connected().length === 20);
  assert.deepEqual(platform.enrolled.toSorted(), ids);
  scene.offer({ version: "2.0.0" }, "dep_good");
  await until("all run 2.0.0", () => running(platform, "2.0.0").length === 20);
  assert.deepEqual(scene.fleet.tally.brickedDevices(), []);
  await until(
    "telemetry of all has come",
    () => new Set(platform.heard.filter(({ topic }) => topic.endsWith("/telemetry")).map(({ device }) => device)).size === 20,
  );
});

test("a release that bricks silences exactly the devices that the seed says, and the others run it", async () => {
  await using scene = await switchedOn({ devices: 30 });
  const { platform, ids, fleet } = scene;
  await until("all are connected", () => platform.connected().length === 30);
  const firmware = { version: "3.0.0", bricks: 0.2, crashLoops: 0.2, fallsBack: 0.1 };
  scene.offer(firmware, "dep_bad");
  const behaviour = readBehaviour(makeSimFirmware(firmware));
  const fated = (fate: string) => ids.filter((device) => fateOf(behaviour, { seed, device }) === fate);
  await until("the bricks are silent", () => fleet.tally.brickedDevices().length === fated("bricks").length);
  await until("those that run it say so", () => running(platform, "3.0.0").length === fated("runs").length);
  const fellBack = [...fated("crashLoops"), ...fated("fallsBack")].toSorted();
  assert.ok(fellBack.length > 0 && fated("bricks").length > 0);
  const toldBack = () => platform.heard.filter(({ payload }) => payload.includes("rolled_back")).map(({ device }) => device);
  await until("those that fell back say so", () => new Set(toldBack()).size === fellBack.length);
  assert.deepEqual([...new Set(toldBack())].toSorted(), fellBack);
  assert.deepEqual(fleet.tally.brickedDevices(), fated("bricks"));
  assert.deepEqual(running(platform, "3.0.0"), fated("runs"));
});

test("a fleet that is switched on again has the same certificates, firmware and bricks", async () => {
  await using scene = await switchedOn({ devices: 6 });
  const { platform } = scene;
  await until("all are connected", () => platform.connected().length === 6);
  scene.offer({ version: "2.0.0", bricks: 0.5 }, "dep_1");
  await until("the update is over", () => running(platform, "2.0.0").length + scene.fleet.tally.brickedDevices().length === 6);
  const bricked = scene.fleet.tally.brickedDevices();
  assert.ok(bricked.length > 0);
  platform.setNext({ is: "none" });
  await scene.restart();
  await until("the others are back", () => platform.connected().length === 6 - bricked.length);
  await until("the bricks are still bricks", () => scene.fleet.tally.brickedDevices().length === bricked.length);
  assert.deepEqual(scene.fleet.tally.brickedDevices(), bricked);
  assert.equal(platform.enrolled.length, 6);
});

test("over a bad network and with downloads that break off, every device still gets there", async () => {
  await using scene = await switchedOn({ devices: 5, profile: "flaky-cellular" });
  const { platform } = scene;
  platform.pending = 1;
  await until("all are connected", () => platform.connected().length === 5);
  platform.cutAfter = 120_000;
  scene.offer({ version: "2.0.0" }, "dep_1");
  await pause(300);
  platform.dropLinks();
  await until("all run 2.0.0", () => running(platform, "2.0.0").length === 5);
});

test("heartbeats say what the guards compare: memory in use, which grows where firmware leaks, and bytes that only grow within a boot", async () => {
  await using here = await switchedOn({ devices: 4 });
  const beats = (version: string) =>
    here.platform.heard
      .filter(({ topic }) => topic.endsWith("/heartbeat"))
      .map(({ payload, device }) => ({ device, ...JSON.parse(payload) }))
      .filter(({ firmware }) => firmware.version === version);
  await until("all have spoken", () => new Set(beats("1.0.0").map(({ device }) => device)).size === 4);
  here.offer({ version: "2.0.0", leaks: 1 }, "dep_leak");
  await until("all leak for three seconds", () => beats("2.0.0").filter(({ uptimeS }) => uptimeS > 3).length >= 4);
  const of = (device: string) => beats("2.0.0").filter((beat) => beat.device === device);
  for (const device of here.ids) {
    const [first, last] = [of(device)[0], of(device).at(-1)];
    assert.ok(
      last.memory.usedBytes - first.memory.usedBytes > 0.5 * 1_048_576,
      "it leaks a megabyte a second, and varies by two at most",
    );
    assert.ok(last.counters.rx_bytes >= first.counters.rx_bytes && last.counters.tx_bytes > first.counters.tx_bytes);
  }
});

test("a release that crashes leaves its last words at the platform, once from each device, and told as a crash", async () => {
  await using here = await switchedOn({ devices: 4 });
  here.platform.crashStatus = 503;
  here.offer({ version: "2.0.0", crashLoops: 1 }, "dep_crash");
  await until("all are back", () => here.events.filter(({ event }) => event === "rolled_back").length === 4);
  here.platform.crashStatus = 200;
  await until("all have told", () => here.platform.crashes.length >= 4);
  await pause(1_000);
  assert.deepEqual(here.platform.crashes.map(({ device }) => device).toSorted(), here.ids.toSorted());
  assert.ok(here.platform.crashes.every(({ version, kind }) => version === "2.0.0" && kind === "log"));
  const told = here.platform.heard.filter(
    ({ topic, payload }) => topic.endsWith("/events") && JSON.parse(payload).type === "crash",
  );
  assert.ok(told.length >= 4);
});
