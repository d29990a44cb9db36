import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { days, hash32, seededRandom } from "@tenfold/base";
import {
  type Brain,
  bootKeysOf,
  chooseSlot,
  createBrain,
  type DeviceConfig,
  type DeviceRoots,
  defaultPatience,
  type Link,
  type Rest,
  type Running,
  takeTrust,
} from "@tenfold/device";
import type { PublicKey } from "@tenfold/ota";
import { type Fate, fateOf, readBehaviour } from "../firmware.ts";
import { type DeviceFile, saveDeviceFile } from "./device-file.ts";
import { createGate } from "./gate.ts";
import type { LeanLink } from "./lean-link.ts";
import { createPretendBody, type World } from "./pretend-body.ts";
import { createPretendSlots, type PretendSlots } from "./pretend-slots.ts";
import { createTally, type Tally } from "./tally.ts";
import { type ProfileName, profiles, type Weather, weakened } from "./weather.ts";
import { createWheel } from "./wheel.ts";

export type FleetOptions = {
  readonly files: readonly DeviceFile[];
  readonly folder: string;
  readonly seed: number;
  readonly httpsUrl: string;
  readonly mqttUrl: string;
  readonly ca: string;
  readonly heartbeatMs: number;
  readonly telemetryMs: number;
  readonly profile: ProfileName;
  readonly telemetry: "signals" | "none";
  /** How long after a reboot a device is dark, at least, and at most twice as long; a real one takes a minute. */
  readonly rebootMs: number;
  /** Share of devices whose clock is years off; half of them ahead. */
  readonly wrongClocks: number;
  /** Asked whenever a release is judged: the factory may learn of a signing key late. */
  readonly trustedKeys: () => readonly PublicKey[];
  /** The first roots of the signed metadata, where the factory knows them. */
  readonly roots?: () => DeviceRoots | undefined;
  readonly onEvent: (event: FleetEvent) => void;
};

/** What happened to one device. */
export type FleetEvent = {
  event: "enrolled" | "rebooting" | "bricked" | "crashed" | "confirmed" | "rolled_back" | "refused" | "trouble";
  device: string;
  version?: string;
  detail?: string;
  count?: number;
};

export type Fleet = {
  readonly tally: Tally;
  /** The live link of a device, if there is one. */
  link(device: string): Link | undefined;
  /** Switches devices off for so many milliseconds. */
  sleep(devices: readonly string[], forMs: number): void;
  stop(): Promise<void>;
};

/** One device in the fleet: asleep on the wheel, awake in its brain, or dark. */
type Inhabitant = {
  readonly file: DeviceFile;
  readonly slots: PretendSlots;
  readonly chance: () => number;
  dueAt: number;
  /** Switched off until then. */
  darkUntil: number;
  brain: Brain | undefined;
  busy: boolean;
  stirred: boolean;
};

const tickMs = 50;
const saveEveryMs = 2_000;
/** Devices switch on over this time, as a fleet does whose power comes back; each with a real TLS handshake or two. */
const powerOnMs = (devices: number) => Math.min(10_000, devices * 4);

/** Switches a fleet on. Everything of it that lives hangs on one timer and on its sockets. */
export function startFleet(options: FleetOptions): Fleet {
  const fleet = new FleetLife(options);
  fleet.powerOn();
  return fleet;
}

class FleetLife implements Fleet {
  readonly tally: Tally;
  private readonly options: FleetOptions;
  private readonly world: World;
  private readonly wheel = createWheel<Inhabitant>(tickMs);
  private readonly inhabitants: Map<string, Inhabitant>;
  private readonly dirty = new Set<DeviceFile>();
  private readonly links = new Set<LeanLink>();
  private readonly stopping = new AbortController();
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly turns = new Set<Promise<void>>();
  private saving: Promise<void> = Promise.resolve();

  constructor(options: FleetOptions) {
    this.options = options;
    const { files, seed, onEvent, trustedKeys } = options;
    this.tally = createTally(files.length, (device, count) => onEvent({ event: "enrolled", device, count }));
    setMaxListeners(0, this.stopping.signal);
    this.world = {
      ...options,
      roots: takeTrust(options.ca, options.ca, Date.now()).roots,
      mono: () => performance.now(),
      enrolling: createGate(16),
      connecting: createGate(48),
      downloading: createGate(48),
      tally: this.tally,
      links: this.links,
      stopping: this.stopping.signal,
      touched: (file) => this.dirty.add(file),
    };
    this.inhabitants = new Map(files.map((file) => [file.id, this.settle(file, { seed, trustedKeys })]));
  }

  private settle(file: DeviceFile, { seed, trustedKeys }: Pick<FleetOptions, "seed" | "trustedKeys">): Inhabitant {
    const chance = seededRandom(hash32(`${seed}:${file.id}:${file.boots}`));
    if (file.memory?.certificate) this.tally.alreadyEnrolled(file.id);
    return {
      file,
      slots: createPretendSlots(file.images, () => bootKeysOf(file.metadata, trustedKeys())),
      chance,
      dueAt: 0,
      darkUntil: 0,
      brain: undefined,
      busy: false,
      stirred: false,
    };
  }

  powerOn(): void {
    const now = this.world.mono();
    for (const one of this.inhabitants.values()) this.wheel.schedule(one, now + one.chance() * powerOnMs(this.inhabitants.size));
    this.timers.push(
      setInterval(() => this.tick(), tickMs),
      setInterval(() => this.sweep(), 500),
      setInterval(() => this.save(), saveEveryMs),
    );
  }

  link(device: string): Link | undefined {
    return this.inhabitants.get(device)?.brain?.link();
  }

  sleep(devices: readonly string[], forMs: number): void {
    const until = this.world.mono() + forMs;
    for (const one of devices.map((id) => this.inhabitants.get(id))) {
      if (one === undefined) continue;
      one.darkUntil = until;
      // A brain that is in the middle of something ends its turn without a link, and then finds itself switched off.
      void one.brain?.stop();
      one.brain = undefined;
      this.wheel.schedule(one, until);
    }
  }

  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    this.stopping.abort();
    await Promise.all([...this.inhabitants.values()].map((one) => one.brain?.stop()));
    // What is still under way ends by the closed links and the signal.
    await Promise.all(this.turns);
    await Promise.all([...this.inhabitants.values()].map((one) => one.brain?.stop()));
    await this.save();
  }

  private tick(): void {
    for (const one of this.wheel.take(this.world.mono())) {
      if (one.busy) one.stirred = true;
      else this.takeTurn(one);
    }
  }

  private takeTurn(one: Inhabitant): void {
    one.busy = true;
    one.stirred = false;
    const turn = this.turn(one)
      .catch((error: unknown) => this.trouble(one, error))
      .finally(() => {
        one.busy = false;
        this.turns.delete(turn);
      });
    this.turns.add(turn);
  }

  private async turn(one: Inhabitant): Promise<void> {
    if (this.stopping.signal.aborted) return;
    if (this.world.mono() < one.darkUntil) return this.wheel.schedule(one, one.darkUntil);
    one.brain ??= await this.switchOn(one);
    if (one.brain === undefined) return;
    const rest = await one.brain.wake();
    await this.rest(one, rest);
  }

  private async rest(one: Inhabitant, rest: Rest): Promise<void> {
    if (this.stopping.signal.aborted) return;
    if (this.world.mono() < one.darkUntil) return this.wheel.schedule(one, one.darkUntil);
    if (rest.is === "wait") return this.wheel.schedule(one, one.stirred ? this.world.mono() : rest.untilMono);
    this.options.onEvent({ event: "rebooting", device: one.file.id });
    await one.brain?.stop();
    one.brain = undefined;
    this.tally.rebooted();
    this.wheel.schedule(one, this.world.mono() + this.darkMs(one));
  }

  /** The boot loader, then the firmware's own nature. Undefined where nothing speaks: for now (a crash), or for ever (a brick). */
  private async switchOn(one: Inhabitant): Promise<Brain | undefined> {
    const { file, slots } = one;
    const { record, slot } = chooseSlot(file.boot, (candidate) => slots.startable(candidate));
    file.boot = record;
    file.boots += 1;
    this.dirty.add(file);
    if (slot === undefined) throw new Error(`${file.id} has nothing to start.`);
    const image = slots.image(slot);
    const behaviour = readBehaviour(Buffer.from(image?.head ?? "", "latin1"));
    const version = image?.release?.signed.version ?? behaviour?.version ?? "unknown";
    const fate = fateOf(behaviour, { seed: this.options.seed, device: file.id });
    if (fate === "bricks") return this.brick(one, version);
    if (fate === "crashLoops") return this.crash(one, { version, build: image?.sha256 });
    this.tally.started(file.id, version);
    const running: Running = {
      slot,
      version: fate === "lies" ? oldest : version,
      ...(image?.release ? { hash: image.sha256 } : {}),
      bootId: randomUUID(),
      bootedAt: this.world.mono(),
    };
    return this.think(one, { running, fate });
  }

  private think(one: Inhabitant, { running, fate }: { running: Running; fate: Fate }): Promise<Brain> {
    const { file, slots, chance } = one;
    const { heartbeatMs, telemetryMs, trustedKeys, roots = () => undefined, profile } = this.options;
    const ordinary: Weather = profiles[profile];
    const weather = fate === "weakNetwork" ? weakened(ordinary) : ordinary;
    const config: DeviceConfig = {
      ...patience,
      device: file.id,
      model: file.model,
      heartbeatMs,
      telemetryMs,
      get trustedKeys() {
        return trustedKeys();
      },
      get roots() {
        return roots();
      },
    };
    const body = createPretendBody(this.world, { file, slots, running, fate, weather, chance, clockSkewMs: this.skewOf(file.id) });
    return createBrain({
      body,
      config,
      chance,
      onStir: () => this.stir(one),
      note: (event, fields) => this.note(one, { event, fields }),
    });
  }

  private skewOf(device: string): number {
    const drawn = hash32(`${this.options.seed}:${device}:clock`) / 2 ** 32;
    if (drawn >= this.options.wrongClocks) return 0;
    return (drawn < this.options.wrongClocks / 2 ? 1 : -1) * days(3 * 365);
  }

  private darkMs({ chance }: Inhabitant): number {
    return this.options.rebootMs * (1 + chance());
  }

  private stir(one: Inhabitant): void {
    if (one.busy) one.stirred = true;
    else if (one.brain) this.wheel.schedule(one, this.world.mono());
  }

  private brick({ file }: Inhabitant, version: string): undefined {
    this.tally.bricked(file.id, version);
    this.options.onEvent({ event: "bricked", device: file.id, version });
  }

  private crash(one: Inhabitant, { version, build }: { version: string; build: string | undefined }): undefined {
    const { file } = one;
    this.options.onEvent({ event: "crashed", device: file.id, version });
    if (file.crashed !== version) {
      file.crashed = version;
      file.crash = { bootId: randomUUID(), version, ...(build === undefined ? {} : { build }) };
      this.dirty.add(file);
    }
    this.tally.rebooted();
    this.wheel.schedule(one, this.world.mono() + this.darkMs(one));
  }

  private note({ file }: Inhabitant, { event, fields }: { event: string; fields: Record<string, unknown> | undefined }): void {
    const { onEvent } = this.options;
    const detail = typeof fields?.because === "string" ? fields.because : undefined;
    if (event === "firmware.confirmed") {
      this.tally.confirmed();
      onEvent({ event: "confirmed", device: file.id, version: String(fields?.version) });
    } else if (event === "firmware.fell_back") {
      this.tally.rolledBack();
      onEvent({ event: "rolled_back", device: file.id, ...(detail ? { detail } : {}) });
    } else if (event === "deployment.failed") {
      onEvent({ event: "refused", device: file.id, ...(detail ? { detail } : {}) });
    } else if (event === "certificate.failed" || event === "link.failed") {
      this.tally.failed(typeof fields?.code === "string" ? fields.code : event);
      onEvent({ event: "trouble", device: file.id, detail: `${event}: ${detail}` });
    }
  }

  private trouble(one: Inhabitant, error: unknown): void {
    if (this.stopping.signal.aborted) return;
    this.options.onEvent({ event: "trouble", device: one.file.id, detail: error instanceof Error ? error.message : String(error) });
    this.wheel.schedule(one, this.world.mono() + 5_000);
  }

  private sweep(): void {
    const now = this.world.mono();
    for (const link of this.links) link.sweep(now);
  }

  /** One save at a time; what changes meanwhile waits for the next. */
  private save(): Promise<void> {
    const files = [...this.dirty];
    this.dirty.clear();
    this.saving = this.saving.then(async () => {
      for (const file of files) await saveDeviceFile(this.options.folder, file);
    });
    return this.saving;
  }
}

/** What firmware says that lies about itself. */
const oldest = "0.0.0";
const patience = { ...defaultPatience, reportPatienceMs: 10_000, trialPatienceMs: 60_000, retryBaseMs: 500, retryCapMs: 15_000 };
