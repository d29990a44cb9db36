import { execFile } from "node:child_process";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import type { DeviceEvent } from "@tenfold/contracts";
import { type Brain, createBrain, type DeviceConfig, defaultPatience, type Note, type Running, topics } from "@tenfold/device";
import type { AgentConfig } from "./config.ts";
import { openWitness, type Witness } from "./crashes/witness.ts";
import type { Disk } from "./disk.ts";
import { createDiskBody } from "./disk-body.ts";
import { type Installer, openInstaller } from "./installers/index.ts";
import { type Payload, startPayload } from "./payload.ts";
import { openQueue, type Queue } from "./queue.ts";
import { openTrust } from "./trust.ts";

/**
 * The machine around the brain: learn what was started, let the brain work until it asks for a reboot, start again. Ends when `signal` does,
 * and at a reboot where that is the machine's (docs/operate/agent.md).
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
  const witness = await watch(config, queue);
  const installer = await openInstaller(config, disk);
  const noteAll: Note = (event, fields) => {
    note(event, fields);
    witness.note(event, fields);
  };
  try {
    while (!signal.aborted) {
      const started = await untilAborted(installer.start(), signal);
      if (started === undefined) return;
      const { running, bootLog } = started;
      await witness.begin(running);
      if (bootLog) await witness.bootLog(bootLog);
      noteAll("agent.started", { slot: running.slot, version: running.version, bootId: running.bootId });
      await live(config, { disk, installer, queue, running, witness, signal, note: noteAll, patience });
      await witness.end();
      if (installer.reboots === "machine" && !signal.aborted) return await restartMachine(config, signal);
    }
  } catch (error) {
    // The marker of this boot stays: the next start takes these lines for what they are.
    witness.note("agent.failed", { because: error instanceof Error ? error.stack : String(error) });
    throw error;
  } finally {
    queue.close();
    await installer.close();
  }
}

/** Without a command the agent ends, and whatever started it starts the machine anew. */
async function restartMachine({ reboot }: AgentConfig, signal: AbortSignal): Promise<void> {
  if (reboot === undefined) return;
  const [program = "", ...args] = reboot.split(/\s+/);
  await promisify(execFile)(program, args, { timeout: rebootMs });
  // It answers before the machine goes down; whoever ends the agent then is part of that.
  await pause(rebootMs, undefined, { signal }).catch(() => {});
  if (!signal.aborted) throw new Error(`"${reboot}" did not restart the machine within ${rebootMs / 1_000} s.`);
}

const rebootMs = 120_000;
const noCrashPlaces = { places: [], maxBytes: 16 * 1_024 * 1_024 };

function watch({ state, device, crashes = noCrashPlaces }: AgentConfig, queue: Queue): Promise<Witness> {
  const places = [...crashes.places, { kind: "core", folder: join(state, "payload") } as const];
  const tell = (event: DeviceEvent) => queue.push({ topic: topics(device).events, payload: JSON.stringify(event) }, Date.now());
  const clock = { now: Date.now, mono: () => performance.now() };
  return openWitness({ folder: join(state, "crashes"), places, maxBytes: crashes.maxBytes, tell, clock });
}

type Life = {
  disk: Disk;
  installer: Installer;
  queue: Queue;
  running: Running;
  witness: Witness;
  signal: AbortSignal;
  note: Note;
  patience: Partial<typeof defaultPatience>;
};

/** One life of the firmware, from its start to the reboot that it asks for, or to the end of the agent. */
async function live(
  config: AgentConfig,
  { disk, installer, queue, running, witness, signal, note, patience }: Life,
): Promise<void> {
  const trust = await openTrust(disk.folder, config.https);
  const payload = await payloadOf(config, { disk, running, witness, note });
  const body = createDiskBody(config, { disk, installer, queue, running, trust, witness, payload });
  let stir = () => {};
  const { securityFloor, roots, trustedKeys, device, model, hardwareRevision, heartbeatMs, telemetryMs } = config;
  const told: DeviceConfig = {
    ...defaultPatience,
    ...patience,
    ...(config.trialMs === undefined ? {} : { trialPatienceMs: config.trialMs }),
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
    await payload?.stop();
    await brain.stop();
  }
}

async function payloadOf(
  { payload: command, state }: AgentConfig,
  { disk, running, witness, note }: Pick<Life, "disk" | "running" | "witness" | "note">,
): Promise<Payload | undefined> {
  const image = command === undefined ? undefined : await disk.imageOf(running.slot);
  if (command === undefined || image === undefined) return undefined;
  const env = { TENFOLD_SLOT: running.slot, TENFOLD_VERSION: running.version, TENFOLD_BOOT_ID: running.bootId };
  return startPayload({ command, image, folder: join(state, "payload"), env, note, onCrash: witness.crashed });
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
