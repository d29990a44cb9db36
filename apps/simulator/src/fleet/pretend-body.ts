import { Problem } from "@tenfold/base";
import {
  type Body,
  deviceProblems,
  fetchArtifact,
  freshMemory,
  type Link,
  type Running,
  refreshTrust,
  requestCertificate,
  sendCrash,
  senml,
  talkMetadata,
  topics,
} from "@tenfold/device";
import type { Fate } from "../firmware.ts";
import type { DeviceFile } from "./device-file.ts";
import type { Gate } from "./gate.ts";
import { type LeanLink, openLeanLink } from "./lean-link.ts";
import { crashArtifact, crashEvent } from "./pretend-crash.ts";
import type { PretendSlots } from "./pretend-slots.ts";
import { batteryLevel, measure, memoryUse } from "./signals.ts";
import type { Tally } from "./tally.ts";
import { breaksAt, type Weather } from "./weather.ts";

/** What all pretend bodies of a fleet share. */
export type World = {
  readonly httpsUrl: string;
  readonly mqttUrl: string;
  /** The roots that the devices were made with: PEM, and the SHA-256 of each. */
  readonly ca: string;
  readonly roots: readonly string[];
  readonly heartbeatMs: number;
  readonly mono: () => number;
  readonly enrolling: Gate;
  readonly connecting: Gate;
  readonly downloading: Gate;
  readonly tally: Tally;
  readonly links: Set<LeanLink>;
  readonly stopping: AbortSignal;
  readonly telemetry: "signals" | "none";
  /** Marks a device for the next save. */
  touched(file: DeviceFile): void;
};

export type Embodied = {
  file: DeviceFile;
  slots: PretendSlots;
  running: Running;
  fate: Fate;
  weather: Weather;
  chance: () => number;
  /** How far its clock is ahead, in milliseconds; below nothing it is behind. */
  clockSkewMs: number;
};

/** Samples of one device that may wait for their acknowledgement; more are dropped and counted. */
const samplesInFlight = 8;
const enrollPatienceMs = 60_000;
const crashRetryMs = 10_000;

/** The body of one device that does not exist, from one start to the next. Sockets, certificates and bytes are real. */
export function createPretendBody(world: World, embodied: Embodied): Body {
  const { file, slots, running, weather, chance } = embodied;
  const { tally } = world;
  const now = () => Date.now() + embodied.clockSkewMs;
  // As in the agent, what was learned counts only as long as the device is given the same file.
  const ca = () => (file.trust?.configured === world.ca ? file.trust.ca : world.ca);
  const https = () => ({ url: world.httpsUrl, ca: ca() });
  let reconnects = -1;
  let greeted = false;
  let samples = 0;
  let crashAt = 0;
  const traffic = { rx: 0, tx: 0 };
  let link: LeanLink | undefined;
  /** What the links of this boot carried, and its downloads. */
  const trafficSoFar = () => {
    const open = link?.traffic() ?? { rx: 0, tx: 0 };
    return { rx_bytes: traffic.rx + open.rx, tx_bytes: traffic.tx + open.tx };
  };
  const settleTraffic = () => {
    const { rx_bytes: rx, tx_bytes: tx } = trafficSoFar();
    Object.assign(traffic, { rx, tx });
    link = undefined;
  };

  return {
    running,
    clock: { now, mono: world.mono },
    // Files of an earlier version of this program lack what the memory has learned since.
    loadMemory: async () => file.memory && { ...freshMemory(), ...file.memory },
    async saveMemory(memory) {
      file.memory = memory;
      world.touched(file);
    },
    loadBoot: async () => file.boot,
    async saveBoot(boot) {
      file.boot = boot;
      file.images = slots.images();
      world.touched(file);
    },
    slots,
    metadata: {
      load: async () => file.metadata,
      async save(trust) {
        file.metadata = trust;
        world.touched(file);
      },
      async talk() {
        const leave = world.downloading.tryEnter();
        if (leave === undefined) throw deviceProblems.metadata_unreachable("Too many devices ask at once; this one waits.");
        const talk = talkMetadata({ server: https(), identity: file.credentials ?? file.idevid, device: file.id });
        return {
          fetch: talk.fetch,
          async [Symbol.asyncDispose]() {
            leave();
            await talk[Symbol.asyncDispose]();
          },
        };
      },
    },
    async enroll(kind, link) {
      const renewal = kind === "renewal" && file.credentials !== undefined;
      // A device whose files survived a run goes on with the certificate that it has.
      if (kind === "first" && file.credentials && file.credentials.notAfter > now()) return file.credentials;
      const leave = await world.enrolling.enter();
      try {
        const identity = renewal ? (file.credentials ?? file.idevid) : file.idevid;
        const operation = renewal ? "simplereenroll" : "simpleenroll";
        const wish = {
          server: https(),
          device: file.id,
          proof: { is: "certificate", identity } as const,
          operation,
          patienceMs: enrollPatienceMs,
          signal: world.stopping,
          link,
        } as const;
        file.credentials = await requestCertificate(wish);
        world.touched(file);
        tally.enrolled(file.id, kind);
        return file.credentials;
      } finally {
        leave();
      }
    },
    async refreshTrust(at) {
      const leave = await world.enrolling.enter();
      try {
        const next = await refreshTrust(https(), { now: at, signal: world.stopping });
        if (next.ca === ca()) return;
        file.trust = { configured: world.ca, ...next };
        world.touched(file);
      } finally {
        leave();
      }
    },
    async connect(events) {
      const { credentials } = file;
      if (credentials === undefined) throw deviceProblems.link_unreachable(`${file.id} has no certificate yet.`);
      const leave = await world.connecting.enter();
      try {
        if (world.stopping.aborted) throw deviceProblems.link_unreachable("The simulator is stopping.");
        const breakAt = breaksAt(weather, world.mono(), chance());
        const keepaliveS = Math.max(30, Math.ceil((3 * (file.memory?.settings?.heartbeatMs ?? world.heartbeatMs)) / 1_000));
        const onDown = (because: string) => {
          world.links.delete(opened);
          tally.disconnected(file.id);
          tally.lost();
          events.onDown(because);
        };
        const wish = {
          server: { url: world.mqttUrl, ca: ca() },
          identity: credentials,
          device: file.id,
          keepaliveS,
          events: { ...events, onDown },
        };
        settleTraffic();
        const opened: LeanLink = await openLeanLink({
          ...wish,
          now: world.mono,
          breakAt,
          signal: world.stopping,
          onAck: (took) => tally.acked(took),
        });
        link = opened;
        world.links.add(opened);
        tally.connected(file.id);
        reconnects += 1;
        return counted(opened, { weather, chance, tally, forget: () => world.links.delete(opened), id: file.id });
      } finally {
        leave();
      }
    },
    async download({ path, from }) {
      const leave = world.downloading.tryEnter();
      if (leave === undefined) throw deviceProblems.download_failed("Too many devices download at once; this one waits.");
      try {
        const identity = file.credentials ?? file.idevid;
        const pieces = await fetchArtifact({ server: https(), identity, path, from, signal: world.stopping });
        const counting = (bytes: number) => {
          traffic.rx += bytes;
        };
        return overBadNetwork(pieces, { breaks: chance() < weather.brokenDownloads, chance, leave, counting });
      } catch (error) {
        leave();
        throw error;
      }
    },
    async takeSample(link) {
      if (link !== undefined && file.crash !== undefined && world.mono() >= crashAt) void tellCrash(link);
      if (link === undefined || world.telemetry === "none") return;
      if (!greeted) {
        greeted = true;
        const detail = { bootId: running.bootId, slot: running.slot, version: running.version };
        send(
          link,
          topics(file.id).events,
          JSON.stringify({ type: "reboot", severity: "info", at: new Date().toISOString(), detail }),
        );
      }
      const at = Date.now();
      send(link, topics(file.id).telemetry, senml(measure(file.id, at, chance), at));
    },
    // A light that nobody sees.
    identify: async () => {},
    selfTest: async () => (embodied.fate === "fallsBack" ? { is: "fail", detail: "The pump does not turn." } : { is: "pass" }),
    vitals: () => ({
      clock: embodied.clockSkewMs === 0 ? "synced" : "suspect",
      trust: { roots: [...(file.trust?.configured === world.ca ? file.trust.roots : world.roots)] },
      power: { source: "battery", level: Number(batteryLevel(file.id, Date.now()).toFixed(3)) },
      memory: memoryUse(file.id, {
        upMs: world.mono() - running.bootedAt,
        leaks: embodied.fate === "leaks" ? "leaks" : "tidy",
        chance,
      }),
      counters: trafficSoFar(),
      net: { bearer: weather.linkLifeMs > 0 ? "cellular" : "ethernet", reconnects: Math.max(0, reconnects) },
    }),
  };

  /** The event first, then the artifact; both come again until the artifact is there. */
  async function tellCrash(link: Link): Promise<void> {
    const { crash, credentials } = file;
    const leave = crash && credentials ? world.downloading.tryEnter() : undefined;
    if (crash === undefined || credentials === undefined || leave === undefined) return;
    crashAt = world.mono() + crashRetryMs;
    try {
      await link.publish(topics(file.id).events, crashEvent(crash, now()));
      await sendCrash({
        server: https(),
        identity: credentials,
        artifact: crashArtifact(file.id, crash),
        signal: world.stopping,
      });
      delete file.crash;
      world.touched(file);
    } catch (error) {
      tally.failed(error instanceof Problem ? error.code : "crash_not_taken");
    } finally {
      leave();
    }
  }

  function send(link: Link, topic: string, payload: string): void {
    if (tally.inFlight(file.id) >= samplesInFlight) {
      tally.dropped();
      return;
    }
    tally.sampleOut(file.id, 1);
    // Counted by the link; a sample that is lost is lost, as on a device without storage.
    link.publish(topic, payload, { seq: samples++, boot: running.bootId }).then(
      () => tally.sampleOut(file.id, -1),
      () => tally.sampleOut(file.id, -1),
    );
  }
}

type Counting = { weather: Weather; chance: () => number; tally: Tally; forget: () => void; id: string };

/** A link that is counted, and slowed down by the weather. */
function counted(link: LeanLink, { weather, chance, tally, forget, id }: Counting): Link {
  return {
    get reconnectWithinS() {
      return link.reconnectWithinS;
    },
    async publish(topic, payload, count) {
      tally.sent();
      if (weather.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, chance() * weather.latencyMs));
      try {
        await link.publish(topic, payload, count);
      } catch (error) {
        tally.failed(error instanceof Problem ? error.code : "unknown");
        throw error;
      }
    },
    async close() {
      forget();
      tally.disconnected(id);
      await link.close();
    },
  };
}

type BadNetwork = { breaks: boolean; chance: () => number; leave: () => void; counting: (bytes: number) => void };

async function* overBadNetwork(
  pieces: AsyncIterable<Uint8Array>,
  { breaks, chance, leave, counting }: BadNetwork,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of pieces) {
      counting(piece.byteLength);
      yield piece;
      if (breaks && chance() < 0.3) throw deviceProblems.download_failed("The download broke off in bad weather.");
    }
  } finally {
    leave();
  }
}
