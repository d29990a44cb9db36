import type { X509Certificate } from "node:crypto";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import type { Scope } from "@tenfold/base";
import type { AnswerTopic, DocumentTopic, ToldLimit } from "@tenfold/contracts";
import {
  type Bus,
  type Clock,
  createHandshakes,
  type DeviceHttp,
  type Handshakes,
  type Log,
  type Metrics,
} from "../kernel/index.ts";
import { Comings } from "./comings.ts";
import { deviceRoutes } from "./device-routes.ts";
import { Directory } from "./directory.ts";
import { followOthers } from "./elsewhere.ts";
import { Budget, type Endpoint } from "./endpoint.ts";
import { farewells } from "./farewells.ts";
import { gatherDocuments, type ReadDocuments } from "./gather.ts";
import { HttpLinks } from "./http.shell.ts";
import { barredBy } from "./lifecycle.ts";
import { defaultLimits, type Limits, tickMs, ticksOf } from "./limits.ts";
import type { Admission, Farewell, Identity, Received, UpMessage } from "./link.ts";
import { type Judges, judgeSocket, type Listener, type ListenOptions, listenTls } from "./mqtt/listener.shell.ts";
import { MqttWire } from "./mqtt/wire.shell.ts";
import { createReports } from "./reports.ts";
import { tellLimits } from "./told-limits.ts";
import { ownTopics, type TopicRule } from "./topics.ts";
import { Verdicts } from "./verdicts.ts";
import { acceptWebSockets } from "./websocket.shell.ts";

export type { Limits } from "./limits.ts";
export type { Admission, Identity, Received, Transport, UpMessage } from "./link.ts";
export { linksRoutes } from "./routes.ts";
export type { TopicRule } from "./topics.ts";

export type LinksParts = {
  /** Asked for every connection, resumed or not, and now and then again. Throwing means "not now", and the device tries again. */
  admit(certificate: X509Certificate, from: { remoteAddress?: string }): Promise<Admission>;
  /** Resolves when the message is durable, or with the reason why it is not. */
  receive(message: UpMessage): Promise<Received>;
  /** `high` stops reading from every socket until it is `none` again. */
  pressure?(): "none" | "high";
  /** What devices find at a topic now, those for which nothing stands there left out. Asked for many at once. */
  downlink: ReadDocuments;
  /** The commands that wait for a device: asked when it begins to listen for them, and when it asks over HTTPS. */
  pending?(device: string, scope: Scope): Promise<readonly { topic: `commands/${string}`; payload: string }[]>;
  /** Told that a device acknowledged (PUBACK) a command. */
  delivered?(device: string, scope: Scope, delivery: { command: string; at: number }): void;
  /** Told that a device was heard of, on connecting and at most every `contactMs` after. */
  contact?(device: string, scope: Scope, at: number): void;
  /** Told what of an admitted device's was refused here, before the intake saw it. */
  refused?(device: string, scope: Scope, refusal: { because: string; detail: string; at: number }): void;
  bus: Bus;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** Shared by all listeners of the process; without it, the links have their own. */
  handshakes?: Handshakes;
  limits?: Partial<Limits>;
  topics?: TopicRule;
};

/** Topics of messages that stand for themselves. A document is never sent, only told to have changed: its link reads the newest. */
type MessageTopic = AnswerTopic | `commands/${string}`;

export type Links = {
  /** Opens the MQTT endpoint; says on which port. */
  listenMqtt(options: ListenOptions): Promise<{ port: number }>;
  /** Shows another certificate on every MQTT endpoint from now on. */
  present(tls: ListenOptions["tls"]): void;
  /** Registers the devices' HTTPS paths, and MQTT over WebSocket beside them. */
  deviceRoutes(app: DeviceHttp): void;
  /**
   * Sends a message to a device that is connected here and subscribed. False where it is not: another process that holds its connection is told
   * to send what is current, and else the device will ask when it connects.
   */
  send(device: string, message: { topic: MessageTopic; payload: string }): boolean;
  /**
   * What a device finds at a topic has changed, and is committed: its connection reads the newest and sends it, never an older one after a newer [M17].
   * False where the device does not listen for it here; then as for `send`.
   */
  refresh(device: string, topic: DocumentTopic): boolean;
  /** Closes every connection of a device at once; says how many there were. */
  disconnect(device: string, because: string): number;
  connected(device: string): boolean;
  /**
   * Which device asks over this HTTPS connection: judged as for the devices' own paths, remembered as long, and closed when the device is barred.
   * Throws `device_certificate_required`, `device_not_admitted` or `device_too_fast`.
   */
  admit(socket: TLSSocket): Promise<Identity>;
  /** Open MQTT connections. */
  count(): number;
  /** The limits in force, in words. */
  readonly limits: readonly ToldLimit[];
  /** Serves MQTT over a stream whose other end is known already: for tests, and for listeners of other kinds. */
  acceptStream(stream: Duplex, identity: Identity): void;
  /** What the one timer does; tests call it to let time pass. */
  tick(): void;
  /** Takes nothing new, waits until everything taken is answered for, says good-bye, and closes. */
  close(options: { drainMs: number }): Promise<void>;
};

/** The devices' endpoints: who is connected, what comes up, what goes down. */
export function createLinks(parts: LinksParts): Links {
  const limits = { ...defaultLimits, ...parts.limits };
  const wires = new Set<MqttWire>();
  const listeners: Listener[] = [];
  /** Whose certificates are judged again, a few a tick, because a bar may not have been heard of. */
  let doubtful: MqttWire[] = [];
  let ticks = 0;
  const tick = () => ticks;
  const directory = new Directory();
  const reports = createReports({ ...parts, limits, tick });
  const { clock, handshakes = createHandshakes() } = parts;
  const verdicts = new Verdicts(limits);
  const comings = new Comings(limits, tick);
  const endpoint: Endpoint = {
    limits,
    topics: parts.topics ?? ownTopics,
    directory,
    budget: new Budget(limits.maxTotalBytes, () => parts.pressure?.() === "high"),
    tick,
    now: () => clock.now(),
    mayConnect: (device) => comings.allow(device),
    reconnectWithinS: () => Math.max(limits.reconnectWithinS, Math.ceil(reports.openCount() / limits.reconnectsPerS)),
    receive: (message) => parts.receive(message),
    downlink: gatherDocuments(parts.downlink, () => setImmediate()),
    pending: async (device, scope) => (await parts.pending?.(device, scope)) ?? [],
    delivered: ({ device, scope }, topic) => {
      const command = commandIn(endpoint.topics.address(device, ""), topic);
      if (command !== undefined) parts.delivered?.(device, scope, { command, at: clock.now() });
    },
    ...reports,
    opened: (identity, remoteAddress) => {
      reports.opened(identity, remoteAddress);
      elsewhere.opened(identity.device);
    },
    closed: (identity, farewell) => {
      reports.closed(identity, farewell);
      elsewhere.closed(identity.device);
    },
  };
  const elsewhere = followOthers({ bus: parts.bus, directory });
  const fresh: Judges["fresh"] = (certificate, from) => {
    const judged = { certificate: certificate.fingerprint256, validUntil: certificate.validToDate.getTime() };
    return verdicts.ask(judged, tick, () => parts.admit(certificate, from));
  };
  const remembered: Judges["remembered"] = async (certificate, from) =>
    // While other processes cannot be heard, one of them may have barred whom this memory admits.
    (parts.bus.connected() ? verdicts.recall(certificate.fingerprint256, { tick: ticks, now: clock.now() }) : undefined) ??
    (await fresh(certificate, from));
  const judges = { remembered, fresh };
  const http = new HttpLinks(endpoint, judges);
  const end = (device: string, farewell: Farewell, fingerprint?: string) => {
    verdicts.forget();
    return directory.close(device, farewell, fingerprint);
  };

  const serve = (stream: Duplex, judge: () => Promise<Admission>, remoteAddress?: string) => {
    const wire = new MqttWire({ stream, endpoint, judge, remoteAddress });
    wires.add(wire);
    stream.once("close", () => wires.delete(wire));
  };
  const accept = (socket: TLSSocket) => serve(socket, judgeSocket(socket, judges), socket.remoteAddress);
  const look = () => {
    ticks += 1;
    for (const wire of wires) wire.look();
    for (const wire of doubtful.splice(0, judgedAtOnce)) wire.conversation.judgeAgain();
    reports.look();
    if (ticks % ticksOf(limits.contactMs) === 0) comings.look();
  };
  const timer = setInterval(look, tickMs).unref();
  const leave = parts.bus.onGap(() => {
    verdicts.forget();
    doubtful = [...wires];
  });
  const unsubscribe = parts.bus.subscribe((event) => {
    const bar = barredBy(event);
    if (bar) end(bar.device, farewells.barred(bar.because, bar.detail), bar.fingerprint);
  });

  return {
    async listenMqtt(options) {
      const listener = await listenTls({ ...options, limits, handshakes, accept });
      listeners.push(listener);
      return { port: listener.port };
    },
    present(tls) {
      for (const listener of listeners) listener.present(tls);
    },
    deviceRoutes(app) {
      deviceRoutes(app, { endpoint, links: http });
      acceptWebSockets(app, limits, (stream, socket) => serve(stream, judgeSocket(socket, judges), socket.remoteAddress));
    },
    send(device, { topic, payload }) {
      if (directory.of(device).some((link) => link.offer(endpoint.topics.address(device, topic), payload))) return true;
      elsewhere.refresh(device, topic);
      return false;
    },
    refresh(device, topic) {
      if (directory.of(device).some((link) => link.refresh(topic))) return true;
      elsewhere.refresh(device, topic);
      return false;
    },
    disconnect: (device, because) => end(device, farewells.barred(because, `The platform ended this connection: ${because}.`)),
    connected: (device) => directory.of(device).some((link) => link.transport === "mqtt" && link.open),
    admit: (socket) => http.admit(socket),
    count: () => reports.openCount(),
    limits: tellLimits(limits, handshakes.limits),
    acceptStream: (stream, identity) => serve(stream, async () => ({ is: "admit", ...identity })),
    tick: look,
    async close({ drainMs }) {
      const closed = listeners.map((listener) => listener.close());
      await within(
        drainMs,
        [...wires].map((wire) => wire.conversation.drained()),
      );
      for (const wire of wires) wire.conversation.close(farewells.shuttingDown);
      await within(
        limits.lingerMs,
        [...wires].map((wire) => wire.gone),
      );
      for (const wire of wires) wire.destroy();
      unsubscribe();
      leave();
      elsewhere.stop();
      clearInterval(timer);
      await Promise.all(closed);
    },
  };
}

/** Certificates judged again in one tick after something was not heard. */
const judgedAtOnce = 100;

/** The id of the command that goes down on this topic. */
const commandIn = (prefix: string, topic: string): string | undefined =>
  topic.startsWith(`${prefix}commands/`) ? topic.slice(prefix.length + "commands/".length) : undefined;

/** Waits for all of it, but no longer than `ms`. */
async function within(ms: number, work: Promise<void>[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([Promise.all(work), late]);
  clearTimeout(timer);
}
