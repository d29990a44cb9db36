/** A whole device in memory, for tests: its brain is the real one, its disk, its link and its firmware are small and honest. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { seededRandom } from "@tenfold/base";
import { deploymentReport, heartbeat, type NextDeployment, type SignedRelease } from "@tenfold/contracts";
import { artifactPath, generateSigningKey, readPrivateKey, readPublicKey, signRelease } from "@tenfold/ota";
import {
  type Body,
  type BootRecord,
  chooseSlot,
  createBrain,
  type DeviceConfig,
  defaultPatience,
  deviceProblems,
  type Memory,
  parseMemory,
  type Slot,
} from "./index.ts";

const keys = generateSigningKey();
export const oldImage = Buffer.from("the old firmware");
export const newImage = Buffer.from("the new firmware, which is longer than one piece of a download".repeat(4));
export const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

function released(version: string, image: Buffer): SignedRelease {
  const artifact = { sha256: sha256(image), size: image.length };
  return signRelease(
    { type: "tenfold.release.v1", name: "pump", version, models: [], artifact, signedAt: "2026-01-02T03:04:05Z" },
    readPrivateKey(keys.privateKeyPem),
  );
}

const config: DeviceConfig = {
  ...defaultPatience,
  trialPatienceMs: 60_000,
  retryCapMs: 20_000,
  device: "pump-1",
  model: "pump",
  heartbeatMs: 10_000,
  telemetryMs: 20_000,
  trustedKeys: [readPublicKey(keys.publicKeyPem)],
};

export type Firmware = "good" | "wrong_bytes" | "crashes_at_start" | "fails_self_test" | "cannot_connect";
export type Weather = { cuts: number[]; dropsLink: number; seed: number };

function put<T extends object>(place: T, values: Partial<T>): void {
  Object.assign(place, values);
}

/** What somebody changes under way. */
export type Tampering = {
  /** What a download brings in place of the image. */
  sent?: Buffer;
  /** What reading the slot back brings, of what was written. */
  rots?: (written: Buffer) => Buffer;
  /** The keys that a start trusts, by its number; the owner's where it is left out. */
  trustedKeys?: (start: number) => DeviceConfig["trustedKeys"] | undefined;
  /** Before a piece is written into a slot. Throws where the disk cannot take it. */
  disk?: () => void;
  /** What the platform says at this time (monotonic milliseconds) in place of a plain offer. */
  says?: (offer: Extract<NextDeployment, { is: "offer" }>, mono: number) => NextDeployment;
  /** An installer of the machine's own, before the slot can be started. Rejects where it refuses. */
  installer?: () => Promise<void>;
};

/**
 * Power that can fail just before or just after any effect on the world: then nothing of this start ever happens again. Of `cuts`, 2n comes before
 * the effect n, counted from 1 over all starts, and 2n + 1 after it.
 */
export function powerSupply(cuts: readonly number[]) {
  let effects = 0;
  let cutPower = () => {};
  function darkness(): Promise<never> {
    cutPower();
    return new Promise(() => {});
  }
  return {
    async effect<T>(act: () => T): Promise<T> {
      effects += 1;
      if (cuts.includes(effects * 2)) return darkness();
      const result = act();
      if (cuts.includes(effects * 2 + 1)) return darkness();
      return result;
    },
    /** Begins a start; resolves when its power fails. */
    switchOn: () =>
      new Promise<"dark">((resolve) => {
        cutPower = () => resolve("dark");
      }),
  };
}

/** A device whose power can be cut before or after any effect, and a platform that offers it one release. */
export function pretendWorld(firmware: Firmware, { cuts, dropsLink, seed }: Weather, tampering: Tampering = {}) {
  const image = tampering.sent ?? (firmware === "wrong_bytes" ? Buffer.from(newImage).fill(0, 10, 20) : newImage);
  const offer = {
    is: "offer" as const,
    deployment: "dep_1",
    release: released("2.0.0", newImage),
    artifactPath: artifactPath(sha256(newImage)),
    deadlineS: 1_800,
    rollback: false,
  };
  const disk = {
    memory: undefined as string | undefined,
    boot: { good: "a" } as BootRecord,
    slots: {
      a: { durable: oldImage, volatile: oldImage, seal: released("1.0.0", oldImage) as SignedRelease | undefined },
      b: { durable: Buffer.alloc(0), volatile: Buffer.alloc(0), seal: undefined as SignedRelease | undefined },
    },
  };
  const seen = {
    heartbeats: [] as { seq: number; version: string; hash: string | undefined; state: string; bootId: string }[],
    reports: [] as string[],
    /** The boot that told of its reboot, and whether the old firmware spoke in a later one. */
    rebootToldIn: undefined as string | undefined,
    oldSpokeAfterReboot: false,
    starts: [] as Slot[],
    /** When something was made startable, and how many bytes came down. */
    installedAt: [] as number[],
    downloaded: 0,
  };
  const says = () => tampering.says?.(offer, mono) ?? offer;
  const chance = seededRandom(seed);
  const { effect, switchOn } = powerSupply(cuts);
  let mono = 0;

  const startable = (slot: Slot) => {
    const { seal, durable } = disk.slots[slot];
    return seal !== undefined && sha256(durable) === seal.signed.artifact.sha256;
  };

  function bodyIn(slot: Slot, bootId: string): Body {
    const runs = disk.slots[slot].seal?.signed;
    assert.ok(runs, "a slot without a sealed release was started");
    const started = mono;
    return {
      running: { slot, version: runs.version, hash: runs.artifact.sha256, bootId, bootedAt: started },
      clock: { now: () => 1_800_000_000_000 + mono, mono: () => mono },
      loadMemory: async () => (disk.memory === undefined ? undefined : parseMemory(disk.memory)),
      saveMemory: (memory: Memory) => effect(() => put(disk, { memory: JSON.stringify(memory) })),
      loadBoot: async () => disk.boot,
      saveBoot: (boot) => effect(() => put(disk, { boot })),
      slots: {
        erase: (one) =>
          effect(() => put(disk.slots[one], { durable: Buffer.alloc(0), volatile: Buffer.alloc(0), seal: undefined })),
        keep: (one, bytes) =>
          effect(() => {
            put(disk.slots[one], { volatile: disk.slots[one].volatile.subarray(0, bytes) });
            return disk.slots[one].volatile.length;
          }),
        append: (one, chunk) =>
          effect(() => {
            tampering.disk?.();
            put(disk.slots[one], { volatile: Buffer.concat([disk.slots[one].volatile, chunk]) });
          }),
        flush: (one) => effect(() => put(disk.slots[one], { durable: disk.slots[one].volatile })),
        digest: async (one) => {
          const read = tampering.rots?.(disk.slots[one].volatile) ?? disk.slots[one].volatile;
          return { sha256: sha256(read), size: read.length };
        },
        async install(one, seal) {
          await tampering.installer?.();
          await effect(() => {
            seen.installedAt.push(mono);
            put(disk.slots[one], { seal });
          });
        },
      },
      enroll: () => effect(() => ({ notBefore: 1_800_000_000_000 - 1_000, notAfter: 1_800_000_000_000 + 90 * 86_400_000 })),
      async connect(events) {
        if (firmware === "cannot_connect" && runs.version === "2.0.0") throw deviceProblems.link_unreachable("No route.");
        let open = true;
        // As the platform does: what is next is said on every connection.
        let said = JSON.stringify(says());
        const say = () => queueMicrotask(() => events.onMessage("devices/pump-1/deployments/next", said));
        say();
        return {
          async publish(topic, payload) {
            if (!open) throw deviceProblems.link_lost("The link is closed.");
            if (chance() < dropsLink) {
              open = false;
              events.onDown("the weather");
              throw deviceProblems.link_lost("The link was lost.");
            }
            await effect(() => hearUp(topic, payload));
            const now = JSON.stringify(says());
            if (now === said) return;
            said = now;
            say();
          },
          async close() {
            open = false;
          },
        };
      },
      async download({ from }) {
        return (async function* () {
          for (let at = from; at < image.length; at += 32) {
            if (chance() < dropsLink) throw deviceProblems.download_failed("The connection broke.");
            seen.downloaded += image.subarray(at, at + 32).length;
            yield image.subarray(at, at + 32);
          }
        })();
      },
      refreshTrust: async () => {},
      takeSample: async () => {},
      selfTest: async () =>
        firmware === "fails_self_test" && runs.version === "2.0.0"
          ? { is: "fail", detail: "The pump does not turn." }
          : { is: "pass" },
      vitals: () => ({}),
    };
  }

  function hearUp(topic: string, payload: string): void {
    if (topic.endsWith("/heartbeat")) {
      const { seq, bootId, firmware: told } = heartbeat.parse(JSON.parse(payload));
      if (seen.rebootToldIn !== undefined && bootId !== seen.rebootToldIn && told.version === "1.0.0")
        seen.oldSpokeAfterReboot = true;
      seen.heartbeats.push({ seq, bootId, version: told.version, hash: told.hash, state: told.state });
    }
    if (topic.includes("/deployments/")) {
      const { state, reason } = deploymentReport.parse(JSON.parse(payload));
      if (state === "rebooting") seen.rebootToldIn = seen.heartbeats.at(-1)?.bootId;
      seen.reports.push(reason ? `${state}:${reason}` : state);
    }
  }

  /** One start: the boot loader chooses, the brain runs until it reboots, loses power or has nothing to do for an hour. */
  async function start(number: number): Promise<"again" | "rests"> {
    for (const slot of ["a", "b"] as const) disk.slots[slot].volatile = disk.slots[slot].durable;
    const choice = chooseSlot(disk.boot, startable);
    disk.boot = choice.record;
    assert.ok(choice.slot, "the device boots neither the old nor the new firmware");
    seen.starts.push(choice.slot);
    const version = disk.slots[choice.slot].seal?.signed.version;
    if (firmware === "crashes_at_start" && version === "2.0.0") return "again";
    const dark = switchOn();
    const trusting = { ...config, trustedKeys: tampering.trustedKeys?.(number) ?? config.trustedKeys };
    const brain = await createBrain({ body: bodyIn(choice.slot, `boot-${number}`), config: trusting, chance });
    for (const until = mono + 3_600_000; mono < until; ) {
      const rest = await Promise.race([brain.wake(), dark]);
      if (rest === "dark" || rest.is === "reboot") return "again";
      if (done(`boot-${number}`)) return "rests";
      mono = Math.max(rest.untilMono, mono + 1);
    }
    return "rests";
  }

  /** Whether the update has ended, the platform knows, and a heartbeat of this start has told what runs. */
  function done(bootId: string): boolean {
    const memory = parseMemory(disk.memory ?? "");
    const last = seen.heartbeats.at(-1);
    return (
      memory.ended.length > 0 && memory.ended.every(({ told }) => told) && last?.bootId === bootId && last.state === "confirmed"
    );
  }

  return {
    disk,
    seen,
    offer,
    async run(): Promise<void> {
      for (let number = 0; number < 60; number++) if ((await start(number)) === "rests") return;
      assert.fail(`the device never came to rest: ${seen.starts.join("")}`);
    },
    startable,
    /** Time that something takes. */
    passes(ms: number): void {
      mono += ms;
    },
  };
}

export const calm: Weather = { cuts: [], dropsLink: 0, seed: 1 };
