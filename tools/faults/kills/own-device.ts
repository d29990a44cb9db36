import { createHash, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { days, minutes } from "@tenfold/base";
import type { DeploymentReport, Heartbeat, SignedRelease } from "@tenfold/contracts";
import {
  type Body,
  type BootRecord,
  type Brain,
  chooseSlot,
  connectLink,
  createBrain,
  type DeviceConfig,
  defaultPatience,
  deviceProblems,
  fetchArtifact,
  type Link,
  type Memory,
  type Running,
  type Slot,
  type Slots,
} from "@tenfold/device";
import type { EnrolledDevice } from "../../../bench/fleet.ts";
import { type Fate, fateOf } from "./fates.ts";
import type { PlayedDevice, Setting } from "./setting.ts";

/** How long new firmware hangs that crashes before it has spoken; three of these starts, and the boot loader falls back. */
const hangMs = 17_000;

type Image = { bytes: Buffer; seal?: SignedRelease };
type Disk = { memory?: Memory; boot: BootRecord; slots: Record<Slot, Image>; failedOnce: Set<string> };

/** A device with the real brain, link and download; its disk is memory that lasts as long as the device. */
export function startOwnDevice(setting: Setting, device: EnrolledDevice): PlayedDevice {
  const life = new OwnLife(setting, device);
  const living = life.live();
  return {
    async stop() {
      await life.stop();
      await living;
    },
  };
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const factory = Buffer.from("what the factory left");

class OwnLife {
  private readonly setting: Setting;
  private readonly device: EnrolledDevice;
  private readonly stopping = new AbortController();
  private readonly disk: Disk = {
    boot: { good: "a" },
    slots: { a: { bytes: factory }, b: { bytes: Buffer.alloc(0) } },
    failedOnce: new Set(),
  };
  private brain: Brain | undefined;
  private stir = () => {};

  constructor(setting: Setting, device: EnrolledDevice) {
    this.setting = setting;
    this.device = device;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.stir();
    await this.brain?.stop();
  }

  async live(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      await this.start();
      await this.sleep(200 + this.setting.chance() * 800);
    }
  }

  /** From power on to the next reboot. */
  private async start(): Promise<void> {
    const { record, slot } = chooseSlot(this.disk.boot, (candidate) => this.startable(candidate));
    this.disk.boot = record;
    if (slot === undefined) throw new Error(`${this.device.id} has nothing to start.`);
    const release = this.disk.slots[slot].seal?.signed;
    const version = release?.version ?? "0.0.1";
    const fate = record.trial === undefined ? "runs" : fateOf(this.device.id, version);
    if (fate === "silent") return this.sleep(hangMs);
    const bootId = randomUUID();
    const hash = release?.artifact.sha256 ?? sha256(factory);
    await this.think({ slot, version, hash, bootId, bootedAt: performance.now() }, fate);
  }

  private async think(running: Running, fate: Fate): Promise<void> {
    const { device } = this;
    const { diary, chance } = this.setting;
    const brain = await createBrain({
      body: this.bodyOf(running, fate),
      config: this.config(),
      chance,
      onStir: () => this.stir(),
      note: (event) => {
        if (event === "firmware.confirmed") diary.note({ device: device.id, did: "started", version: running.version });
      },
    });
    this.brain = brain;
    while (!this.stopping.signal.aborted) {
      const rest = await brain.wake();
      if (rest.is === "reboot") break;
      await this.sleep(Math.min(2_000, rest.untilMono - performance.now()));
    }
    await brain.stop();
  }

  private config(): DeviceConfig {
    return {
      ...defaultPatience,
      reportPatienceMs: 5_000,
      trialPatienceMs: minutes(1),
      retryBaseMs: 200,
      retryCapMs: 1_500,
      device: this.device.id,
      model: this.setting.model,
      heartbeatMs: 2_000,
      telemetryMs: minutes(10),
      trustedKeys: this.setting.trustedKeys,
    };
  }

  private bodyOf(running: Running, fate: Fate): Body {
    const { disk, device, setting } = this;
    const { doors } = setting;
    return {
      running,
      clock: { now: Date.now, mono: () => performance.now() },
      loadMemory: async () => disk.memory,
      saveMemory: async (memory) => {
        disk.memory = memory;
      },
      loadBoot: async () => disk.boot,
      saveBoot: async (boot) => {
        disk.boot = boot;
      },
      slots: this.slots(),
      // It was enrolled when it was made, and lives shorter than its certificate.
      enroll: async () => ({ notBefore: Date.now() - minutes(1), notAfter: Date.now() + days(90) }),
      connect: async (events) => {
        const server = { url: `mqtts://localhost:${doors.mqttPort}`, ca: doors.ca };
        return this.witnessed(await connectLink({ server, identity: device, device: device.id, keepaliveS: 10, events }));
      },
      refreshTrust: async () => {},
      download: ({ path, from }) =>
        fetchArtifact({
          server: { url: doors.deviceUrl, ca: doors.ca },
          identity: device,
          path,
          from,
          signal: this.stopping.signal,
        }),
      takeSample: async () => {},
      selfTest: async () => (fate === "fallsBack" ? { is: "fail", detail: "The pump does not turn." } : { is: "pass" }),
      vitals: () => ({}),
    };
  }

  /** What the platform has acknowledged is written down. */
  private witnessed(link: Link): Link {
    const device = this.device.id;
    const { diary } = this.setting;
    return {
      ...link,
      publish: async (topic, payload, count) => {
        await link.publish(topic, payload, count);
        const report = /\/deployments\/([^/]+)$/.exec(topic);
        // Both were made by the brain a moment ago.
        if (report)
          diary.note({ device, did: "told", deployment: report[1] ?? "", state: (JSON.parse(payload) as DeploymentReport).state });
        if (!topic.endsWith("/heartbeat")) return;
        const { firmware } = JSON.parse(payload) as Heartbeat;
        if (firmware.state === "confirmed") diary.note({ device, did: "proved", version: firmware.version });
      },
    };
  }

  private slots(): Slots {
    const { slots, failedOnce } = this.disk;
    return {
      async erase(one) {
        slots[one] = { bytes: Buffer.alloc(0) };
      },
      async keep(one, bytes) {
        slots[one].bytes = slots[one].bytes.subarray(0, bytes);
        return slots[one].bytes.length;
      },
      async append(one, chunk) {
        slots[one].bytes = Buffer.concat([slots[one].bytes, chunk]);
      },
      flush: async () => {},
      digest: async (one) => ({ sha256: sha256(slots[one].bytes), size: slots[one].bytes.length }),
      install: async (one, seal) => {
        const { version } = seal.signed;
        await this.sleep(this.setting.chance() * 1_500);
        const fate = fateOf(this.device.id, version);
        if (fate === "fails" || (fate === "flaky" && !failedOnce.has(version))) {
          failedOnce.add(version);
          throw deviceProblems.install_failed(`${version} does not fit into the pump.`);
        }
        const deployment = this.disk.memory?.update?.deployment ?? "";
        this.setting.diary.note({ device: this.device.id, did: "installed", deployment, version });
        slots[one].seal = seal;
      },
    };
  }

  private startable(slot: Slot): boolean {
    const { bytes, seal } = this.disk.slots[slot];
    return seal === undefined ? bytes === factory : sha256(bytes) === seal.signed.artifact.sha256;
  }

  /** Until the time is over, something was heard, or all ends. */
  private async sleep(ms: number): Promise<void> {
    const woken = Promise.withResolvers<void>();
    this.stir = woken.resolve;
    const over = new AbortController();
    await Promise.race([pause(Math.max(0, ms), undefined, { signal: over.signal }).catch(() => {}), woken.promise]);
    over.abort();
  }
}
