import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { ReleaseStatement } from "@tenfold/contracts";
import type { Link, MessageCount } from "@tenfold/device";
import { artifactPath, generateSigningKey, readPrivateKey, readPublicKey, signRelease } from "@tenfold/ota";
import { type PretendPlatform, startPretendPlatform } from "@tenfold/testkit";
import type { AgentConfig } from "../src/config.ts";
import { type Disk, openDisk } from "../src/disk.ts";
import { bootLoader } from "../src/installers/in-process.ts";
import { openQueue } from "../src/queue.ts";
import { runAgent } from "../src/supervisor.ts";

const keys = generateSigningKey();
const image = Buffer.alloc(300_000, "firmware of a gateway, second edition\n");
const sha256 = createHash("sha256").update(image).digest("hex");
const patience = { retryBaseMs: 20, retryCapMs: 200, reportPatienceMs: 500, trialPatienceMs: 5_000 };

type Scene = AsyncDisposable & { platform: PretendPlatform; config: AgentConfig; state: string };

async function scene(changes: Partial<AgentConfig> = {}, platform?: PretendPlatform): Promise<Scene> {
  platform ??= await startPretendPlatform();
  const state = await mkdtemp(join(tmpdir(), "tenfold-agent-"));
  platform.codes.set("box-1", "swordfish");
  const config: AgentConfig = {
    device: "box-1",
    model: "box",
    hardwareRevision: "B",
    https: { url: platform.httpsUrl, ca: platform.ca },
    mqtt: { url: platform.mqttUrl, ca: platform.ca },
    state,
    idevid: undefined,
    code: "swordfish",
    trustedKeys: [readPublicKey(keys.publicKeyPem)],
    roots: undefined,
    securityFloor: undefined,
    firmwareVersion: "1.0.0",
    heartbeatMs: 150,
    telemetryMs: 100,
    selfTest: undefined,
    queueRows: 1_000,
    ...changes,
  };
  return {
    platform,
    config,
    state,
    async [Symbol.asyncDispose]() {
      await platform[Symbol.asyncDispose]();
      await rm(state, { recursive: true, force: true });
    },
  };
}

/** Runs the agent while `body` does, and ends it afterwards. */
async function withAgent(config: AgentConfig, body: () => Promise<void>, disk?: Disk): Promise<void> {
  const stopping = new AbortController();
  const ended = runAgent(config, {
    disk: disk ?? (await openDisk(config.state, config)),
    signal: stopping.signal,
    note: () => {},
    patience,
  });
  try {
    await Promise.race([body(), ended.then(() => assert.fail("the agent ended by itself"))]);
  } finally {
    stopping.abort();
    await ended;
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `never came true: ${what}`);
    await pause(10);
  }
}

const heartbeats = ({ heard }: PretendPlatform) =>
  heard.filter(({ topic }) => topic.endsWith("/heartbeat")).map(({ payload }) => JSON.parse(payload));
const reports = ({ heard }: PretendPlatform) =>
  heard.filter(({ topic }) => topic.includes("/deployments/")).map(({ payload }) => JSON.parse(payload).state as string);
const confirmed = (platform: PretendPlatform, version: string) =>
  heartbeats(platform).some(({ firmware }) => firmware.version === version && firmware.state === "confirmed");

type Window = { maintenanceWindow?: "available" | "unavailable"; windowClosesInS?: number };

function offer(platform: PretendPlatform, bytes = image, limits: Partial<ReleaseStatement> = {}, window: Window = {}): void {
  platform.artifacts.set(sha256, bytes);
  const statement: ReleaseStatement = {
    type: "tenfold.release.v1",
    name: "box",
    version: "2.0.0",
    models: ["box"],
    artifact: { sha256, size: image.length },
    signedAt: "2026-01-02T03:04:05Z",
    ...limits,
  };
  platform.setNext({
    is: "offer",
    deployment: "dep_1",
    release: signRelease(statement, readPrivateKey(keys.privateKeyPem)),
    artifactPath: artifactPath(sha256),
    deadlineS: 600,
    rollback: false,
    ...window,
  });
}

test("an agent enrolls with a one-time code, waits while the platform says not yet, reports its machine and keeps its key to itself", async () => {
  await using here = await scene();
  here.platform.pending = 1;
  await withAgent(here.config, () =>
    until("telemetry", () => here.platform.heard.some(({ topic }) => topic === "devices/box-1/telemetry")),
  );
  const { payload } = here.platform.heard.find(({ topic }) => topic.endsWith("/telemetry")) ?? { payload: "[]" };
  assert.ok((JSON.parse(payload) as { n: string }[]).some(({ n }) => n === "disk_free"));
  assert.equal((await stat(join(here.state, "credentials.json"))).mode & 0o777, 0o600);
  assert.deepEqual(here.platform.enrolled, ["box-1"]);
});

test("an agent installs a signed release into the other slot, over downloads that break off, and confirms it", async () => {
  await using here = await scene();
  here.platform.cutAfter = 130_000;
  offer(here.platform);
  await withAgent(here.config, () => until("2.0.0 is confirmed", () => confirmed(here.platform, "2.0.0")));
  assert.deepEqual(reports(here.platform), ["downloading", "downloaded", "verified", "installing", "rebooting", "validating"]);
  assert.equal(
    createHash("sha256")
      .update(await readFile(join(here.state, "slots/b.img")))
      .digest("hex"),
    sha256,
  );
  assert.equal((await bootLoader(await openDisk(here.state, here.config))).version, "2.0.0");
});

test("bytes that are not what was signed are never started", async () => {
  await using here = await scene();
  offer(here.platform, Buffer.from(image).fill(0, 1_000, 1_001));
  await withAgent(here.config, () => until("the failure is told", () => reports(here.platform).includes("failed")));
  assert.ok(heartbeats(here.platform).every(({ firmware }) => firmware.version === "1.0.0"));
});

test("an agent tells its board's revision and takes no release for another one, nor one past a stepping stone", async () => {
  const refusals: [Partial<ReleaseStatement>, string][] = [
    [{ hardwareRevisions: ["C"] }, "offer_incompatible_hardware"],
    [{ mustPassThrough: ["1.5.0"] }, "offer_must_pass_through"],
  ];
  for (const [limits, reason] of refusals) {
    await using here = await scene();
    offer(here.platform, image, limits);
    await withAgent(here.config, () => until("the refusal is told", () => reports(here.platform).includes("failed")));
    const told = here.platform.heard.find(({ topic }) => topic.includes("/deployments/"));
    assert.equal(JSON.parse(told?.payload ?? "{}").reason, reason);
    assert.ok(
      heartbeats(here.platform).every(({ firmware, hardwareRevision }) => firmware.version === "1.0.0" && hardwareRevision === "B"),
    );
  }
});

test("firmware that fails the machine's self-test is left again", async () => {
  await using here = await scene({ selfTest: "/bin/false" });
  offer(here.platform);
  await withAgent(here.config, () => until("the way back is told", () => reports(here.platform).includes("rolled_back")));
  assert.equal((await bootLoader(await openDisk(here.state, here.config))).version, "1.0.0");
});

test("an image that rots after it was installed is not started; the boot loader takes the other one", async () => {
  await using here = await scene();
  offer(here.platform);
  await withAgent(here.config, () => until("2.0.0 is confirmed", () => confirmed(here.platform, "2.0.0")));
  await writeFile(join(here.state, "slots/b.img"), Buffer.from(image).fill(1, 5, 6));
  assert.equal((await bootLoader(await openDisk(here.state, here.config))).version, "1.0.0");
});

test("what is measured while the platform is away is sent when it is back, each once and in order", async () => {
  await using here = await scene();
  const telemetry = () =>
    here.platform.heard
      .filter(({ topic }) => topic.endsWith("/telemetry"))
      .map(({ payload }) => JSON.parse(payload)[0].bt as number);
  await withAgent(here.config, async () => {
    await until("it speaks", () => telemetry().length > 0);
    // 0x97: quota exceeded. It is about now, so the message must come again.
    here.platform.pubackReason = 0x97;
    here.platform.dropLinks();
    const before = telemetry().length;
    await pause(600);
    here.platform.pubackReason = 0;
    await until("all that was measured meanwhile has come", () => telemetry().length >= before + 6);
  });
  const times = telemetry();
  assert.deepEqual(
    times,
    [...new Set(times)].toSorted((a, b) => a - b),
  );
});

test("a message that the platform will never take is counted and does not hold up the others", async () => {
  await using here = await scene();
  await withAgent(here.config, async () => {
    await until("it speaks", () => heartbeats(here.platform).length > 0);
    // 0x99: payload format invalid.
    here.platform.pubackReason = 0x99;
    await pause(300);
    here.platform.pubackReason = 0;
    await until("the refusal is told", () => heartbeats(here.platform).some(({ counters }) => counters.queue_refused > 0));
    await until("the queue is empty again", () => heartbeats(here.platform).at(-1)?.queue.depth <= 1);
  });
});

test("power that fails before or after any write to the disk ends on firmware that is whole, and at last on the new one", {
  timeout: 120_000,
}, async () => {
  await using here = await scene();
  await withAgent(here.config, () => until("it speaks", () => heartbeats(here.platform).length > 0));
  offer(here.platform);
  // One start after the other, each with its cut a little later, until one comes through.
  for (let write = 1; !confirmed(here.platform, "2.0.0"); write++) {
    assert.ok(write < 80, "the update never came through");
    const disk = withCut(await openDisk(here.state, here.config), write);
    await withAgent(
      here.config,
      () => Promise.race([disk.dark, until("2.0.0 is confirmed", () => confirmed(here.platform, "2.0.0"))]),
      disk.disk,
    );
  }
  const honest = { "1.0.0": undefined, "2.0.0": sha256 } as Record<string, string | undefined>;
  for (const { firmware } of heartbeats(here.platform)) assert.equal(firmware.hash, honest[firmware.version]);
});

test("an agent downloads ahead of its window and keeps what it has over any power cut; what is cancelled meanwhile is dropped and not installed", {
  timeout: 120_000,
}, async () => {
  await using here = await scene();
  const { platform, config, state } = here;
  offer(platform, image, {}, { maintenanceWindow: "unavailable" });
  await withAgent(config, () => until("it has it ready", () => reports(platform).includes("verified")));
  // Cut at each write of a start that waits.
  for (let write = 1; write < 6; write++) {
    const spoken = heartbeats(platform).length;
    const disk = withCut(await openDisk(state, config), write);
    await withAgent(
      config,
      () => Promise.race([disk.dark, until("it speaks on", () => heartbeats(platform).length > spoken + 2)]),
      disk.disk,
    );
  }
  assert.ok(!reports(platform).includes("installing"));
  platform.setNext({ is: "cancel", deployment: "dep_1" });
  await withAgent(config, () => until("the cancellation is told", () => reports(platform).includes("cancelled")));
  assert.equal((await bootLoader(await openDisk(state, config))).version, "1.0.0");
  assert.ok(heartbeats(platform).every(({ firmware }) => firmware.version === "1.0.0"));
});

test("an agent that slept past the end of its certificate comes back with it, though its one-time code is spent", async () => {
  await using here = await scene({}, await startPretendPlatform({ lifetime: 3_000 }));
  await withAgent(here.config, () => until("it speaks", () => heartbeats(here.platform).length > 0));
  here.platform.codes.clear();
  const { notAfter } = JSON.parse(await readFile(join(here.state, "credentials.json"), "utf8")) as { notAfter: number };
  await pause(Math.max(0, notAfter - Date.now() + 50));
  const [spoken, issued] = [heartbeats(here.platform).length, here.platform.enrolled.length];
  await withAgent(here.config, () => until("it speaks again", () => heartbeats(here.platform).length > spoken));
  assert.ok(here.platform.enrolled.length > issued);
});

for (const renewsOnLink of [true, false])
  test(`an agent renews with a new key ${renewsOnLink ? "over its link" : "over EST where the platform knows no other way"}, and speaks on by it`, async () => {
    await using here = await scene({}, await startPretendPlatform({ lifetime: 6_000 }));
    const { platform } = here;
    platform.renewsOnLink = renewsOnLink;
    const keyNow = async () => (JSON.parse(await readFile(join(here.state, "credentials.json"), "utf8")) as { key: string }).key;
    await withAgent(here.config, async () => {
      await until("it speaks", () => heartbeats(platform).length > 0);
      const first = await keyNow();
      // A slow machine may renew by EST first, before its link stands.
      await until("it renews", () => (renewsOnLink ? platform.renewedOnLink : platform.enrolled.slice(1)).length > 0);
      if (!renewsOnLink) assert.deepEqual(platform.renewedOnLink, []);
      const spoken = heartbeats(platform).length;
      await until("it speaks on", () => heartbeats(platform).length > spoken);
      assert.notEqual(await keyNow(), first);
    });
  });

test("what waits on disk is sent with a number and a name that do not change with a restart, so that it is stored once", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tenfold-queue-"));
  const counts: (MessageCount | undefined)[] = [];
  const link = (works: boolean): Link => ({
    async publish(_topic, _payload, count) {
      counts.push(count);
      if (!works) throw new Error("the acknowledgement was lost");
    },
    close: async () => {},
  });
  for (const works of [false, true]) {
    const queue = openQueue(join(folder, "queue.sqlite"), 100);
    queue.push({ topic: "t", payload: works ? "second" : "first" }, 1);
    await queue.drain(link(works));
    queue.close();
  }
  await rm(folder, { recursive: true });
  assert.deepEqual(
    counts.map((count) => count?.seq),
    [1, 1, 2],
  );
  assert.equal(new Set(counts.map((count) => count?.boot)).size, 1);
});

/** A disk that loses power at its n-th write: just before it where n is even, just after it where n is odd. Nothing returns from the dark. */
function withCut(disk: Disk, at: number): { disk: Disk; dark: Promise<void> } {
  const dark = Promise.withResolvers<void>();
  let writes = 0;
  const cut =
    <Args extends unknown[], T>(write: (...args: Args) => Promise<T>) =>
    async (...args: Args): Promise<T> => {
      writes += 1;
      const now = Math.ceil(at / 2) <= writes;
      if (now && at % 2 === 0) return darkness();
      const result = await write(...args);
      return now ? darkness() : result;
    };
  const darkness = (): Promise<never> => {
    dark.resolve();
    return new Promise(() => {});
  };
  const { slots } = disk;
  const cutSlots = {
    ...slots,
    erase: cut(slots.erase),
    keep: cut(slots.keep),
    append: cut(slots.append),
    flush: cut(slots.flush),
    install: cut(slots.install),
  };
  return { dark: dark.promise, disk: { ...disk, saveMemory: cut(disk.saveMemory), saveBoot: cut(disk.saveBoot), slots: cutSlots } };
}
