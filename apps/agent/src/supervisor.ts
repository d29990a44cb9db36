import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import {
  type Brain,
  chooseSlot,
  createBrain,
  type DeviceConfig,
  defaultPatience,
  type Note,
  otherSlot,
  type Running,
} from "@tenfold/device";
import type { AgentConfig } from "./config.ts";
import type { Disk } from "./disk.ts";
import { createDiskBody } from "./disk-body.ts";
import { openQueue, type Queue } from "./queue.ts";
import { openTrust } from "./trust.ts";

/**
 * The machine around the brain: start a slot, let the brain work until it asks for a reboot, start again. Ends when `signal` does. Here a
 * reboot is a new start of the slot inside this process: the boot loader's decision and its order of writes are real, the hardware
 * reset is not (docs/operate/agent.md).
 */
export async function runAgent(
  config: AgentConfig,
  {
    disk,
    signal,
    note,
    patience = {},
  }: { disk: Disk; signal: AbortSignal; note: Note; patience?: Partial<typeof defaultPatience> },
): Promise<void> {
  const queue = openQueue(join(config.state, "queue.sqlite"), config.queueRows);
  try {
    while (!signal.aborted) {
      const running = await untilAborted(bootLoader(disk), signal);
      if (running === undefined) return;
      note("agent.started", { slot: running.slot, version: running.version, bootId: running.bootId });
      await live(config, { disk, queue, running, signal, note, patience });
    }
  } finally {
    queue.close();
    await disk.close();
  }
}

/** Counts the start before it happens, and starts nothing whose hash or signature is wrong. */
export async function bootLoader(disk: Disk): Promise<Running> {
  const before = await disk.loadBoot();
  const startable = {
    [before.good]: await disk.startable(before.good),
    [otherSlot(before.good)]: await disk.startable(otherSlot(before.good)),
  };
  const { record, slot } = chooseSlot(before, (candidate) => startable[candidate] === true);
  if (JSON.stringify(record) !== JSON.stringify(before)) await disk.saveBoot(record);
  const seal = slot && (await disk.sealOf(slot));
  if (slot === undefined || seal === undefined)
    throw new Error(`Neither slot in ${disk.folder} can be started: both images are damaged.`);
  const bootedAt = performance.now();
  if ("factory" in seal) return { slot, version: seal.factory, bootId: randomUUID(), bootedAt };
  const { version, artifact } = seal.release.signed;
  return { slot, version, hash: artifact.sha256, bootId: randomUUID(), bootedAt };
}

type Life = {
  disk: Disk;
  queue: Queue;
  running: Running;
  signal: AbortSignal;
  note: Note;
  patience: Partial<typeof defaultPatience>;
};

/** One life of the firmware, from its start to the reboot that it asks for, or to the end of the agent. */
async function live(config: AgentConfig, { disk, queue, running, signal, note, patience }: Life): Promise<void> {
  const body = createDiskBody(config, { disk, queue, running, trust: await openTrust(disk.folder, config.https) });
  let stir = () => {};
  const { securityFloor, roots, trustedKeys, device, model, hardwareRevision, heartbeatMs, telemetryMs } = config;
  const told: DeviceConfig = {
    ...defaultPatience,
    ...patience,
    device,
    model,
    heartbeatMs,
    telemetryMs,
    trustedKeys,
    ...(hardwareRevision ? { hardwareRevision } : {}),
    ...(securityFloor ? { securityFloor } : {}),
    ...(roots ? { roots } : {}),
  };
  const brain: Brain = await createBrain({ body, config: told, chance: Math.random, onStir: () => stir(), note });
  try {
    while (!signal.aborted) {
      const stirred = new AbortController();
      stir = () => stirred.abort();
      const rest = await untilAborted(brain.wake(), signal);
      if (rest === undefined || rest.is === "reboot") return;
      const wait = Math.max(0, rest.untilMono - performance.now());
      // Longer waits than timers can count are cut; waking early does no harm.
      await pause(Math.min(wait, 2 ** 31 - 1), undefined, { signal: AbortSignal.any([signal, stirred.signal]) }).catch(() => {});
    }
  } finally {
    await brain.stop();
  }
}

/** A step may hang on the network for as long as its deadline; an agent that is told to end does not wait for it. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const stop = () => resolve(undefined);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  work.catch(() => {});
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", stop));
}
