import { X509Certificate } from "node:crypto";
import { duplexPair } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { defaultScope } from "@tenfold/base";
import type { LiveEvent } from "@tenfold/contracts";
import {
  type Authority,
  createAuthority,
  issueCertificate,
  issuerOf,
  makeName,
  newDeviceKey,
  oids,
  privateKeyPem,
  publicKeyOf,
  randomSerial,
  toPem,
} from "@tenfold/pki";
import { generate, type Packet, parser } from "mqtt-packet";
import { createBus, createLog, createMetrics, systemClock, type TlsIdentity } from "../kernel/index.ts";
import { type Admission, createLinks, type Limits, type Links, type Received, type UpMessage } from "./index.ts";
import { tickMs } from "./limits.ts";

export type Credentials = { key: string; cert: string };

export type LinksWorld = AsyncDisposable & {
  links: Links;
  /** Where MQTT listens on 127.0.0.1. */
  port: number;
  tls: TlsIdentity;
  /** PEM of what a device trusts. */
  trust: string;
  /** What the small intake of this world has stored, oldest first. */
  stored: UpMessage[];
  /** What the bus told. */
  events: LiveEvent[];
  /** What the log told, as objects. */
  logged: Record<string, unknown>[];
  /** The devices whose contact was told, in order. */
  contacts: string[];
  /** How often a certificate was asked about. */
  asked(): number;
  /** What a device finds at a topic. */
  documents: Map<string, string>;
  bus: ReturnType<typeof createBus>;
  metrics: ReturnType<typeof createMetrics>;
  /** A device with a certificate that this world admits. */
  device(id: string): Promise<Credentials>;
  /** A certificate of a CA that nobody knows. */
  stranger(id: string): Promise<Credentials>;
  /** From now on the device's certificates are refused. */
  bar(id: string, because: string): void;
};

export type WorldOptions = {
  limits?: Partial<Limits>;
  /** Decides what becomes of a message before the small intake stores it. */
  receive?: (message: UpMessage) => Promise<Received | undefined> | Received | undefined;
  /** What a document's reader waits for after it has read and before it answers. */
  hasRead?: (topic: string) => Promise<void>;
};

/** A real endpoint over real TLS, with a real authority, and an intake that is an array. */
export async function linksWorld({ limits = {}, receive, hasRead }: WorldOptions = {}): Promise<LinksWorld> {
  const now = Date.now();
  const { root, issuing } = await createAuthority(now - 60_000);
  const foreign = await createAuthority(now - 60_000, "Somebody Else");
  const [stored, events, logged, barred] = [
    [] as UpMessage[],
    [] as LiveEvent[],
    [] as Record<string, unknown>[],
    new Map<string, string>(),
  ];
  const contacts: string[] = [];
  let asked = 0;
  const documents = new Map<string, string>();
  const bus = createBus(systemClock);
  const metrics = createMetrics({ processMetrics: "omit" });
  bus.subscribe((event) => events.push(event));
  const links = createLinks({
    admit: async (certificate) => {
      asked += 1;
      return judge(certificate, { issuing, barred });
    },
    receive: async (message) => {
      const special = await receive?.(message);
      if (special) return special;
      // The view is the endpoint's; whoever keeps it copies it.
      stored.push({ ...message, payload: Buffer.from(message.payload) });
      return { is: "stored" };
    },
    downlink: async (devices, _scope, topic) => {
      const read = devices.flatMap((device) => {
        const document = documents.get(`${device}/${topic}`);
        return document === undefined ? [] : [[device, document] as const];
      });
      await hasRead?.(topic);
      return new Map(read);
    },
    contact: (device) => contacts.push(device),
    bus,
    clock: systemClock,
    log: createLog({ level: "debug", write: (line) => logged.push(JSON.parse(line)) }),
    metrics,
    limits,
  });
  const server = await issue(issuing, { name: "localhost", usage: "server" });
  const chain = toPem("CERTIFICATE", issuing.certificate.der);
  const tls = { key: server.key, cert: server.cert + chain, ca: [] };
  const { port } = await links.listenMqtt({ tls, port: 0, host: "127.0.0.1" });
  return {
    links,
    port,
    tls,
    trust: toPem("CERTIFICATE", root.certificate.der),
    stored,
    events,
    logged,
    contacts,
    asked: () => asked,
    documents,
    bus,
    metrics,
    device: (id) => issue(issuing, { name: id, usage: "device" }),
    stranger: (id) => issue(foreign.issuing, { name: id, usage: "device" }),
    bar: (id, because) => void barred.set(id, because),
    [Symbol.asyncDispose]: () => links.close({ drainMs: 1_000 }),
  };
}

async function issue(issuing: Authority, { name, usage }: { name: string; usage: "device" | "server" }): Promise<Credentials> {
  const key = newDeviceKey();
  const now = Date.now();
  const certificate = await issueCertificate({
    issuer: issuerOf(issuing),
    subject: makeName([{ type: oids.commonName, value: name }]),
    publicKey: publicKeyOf(key),
    serial: randomSerial(),
    notBefore: now - 60_000,
    notAfter: now + 3_600_000,
    usage,
    alternativeNames:
      usage === "server"
        ? [
            { kind: "dns", value: "localhost" },
            { kind: "ip", value: "127.0.0.1" },
          ]
        : [],
  });
  return { key: privateKeyPem(key), cert: toPem("CERTIFICATE", certificate.der) };
}

function judge(certificate: X509Certificate, { issuing, barred }: { issuing: Authority; barred: Map<string, string> }): Admission {
  if (!certificate.verify(new X509Certificate(issuing.certificate.der).publicKey))
    return { is: "refuse", because: "unknown_issuer", detail: "The certificate was issued by somebody else." };
  const device = /CN=(.+)/.exec(certificate.subject)?.[1] ?? "";
  const because = barred.get(device);
  if (because) return { is: "refuse", because, detail: `Device "${device}" is barred.` };
  return { is: "admit", device, scope: defaultScope, fingerprint: fingerprintOf(certificate) };
}

export const fingerprintOf = (certificate: X509Certificate): string => certificate.fingerprint256.replaceAll(":", "").toLowerCase();

export type Client = AsyncDisposable & {
  packets: Packet[];
  closed(): boolean;
  write(bytes: Buffer): void;
  say(packet: Packet): Promise<void>;
  quiet(): Promise<void>;
};

/** A client over a stream in memory, admitted as `pump-1` or another; what it is told is read by the codec. */
export function client(world: LinksWorld, { version = 5, reads = true, device = "pump-1" } = {}): Client {
  const [near, far] = duplexPair();
  const codec = parser({ protocolVersion: version });
  const packets: Packet[] = [];
  let closed = false;
  codec.on("packet", (packet) => packets.push(packet));
  if (reads) near.on("data", (bytes: Buffer) => codec.parse(bytes));
  const end = () => {
    closed = true;
  };
  near.on("end", end).on("close", end);
  near.on("error", () => {});
  world.links.acceptStream(far, { device, scope: defaultScope, fingerprint: "aa" });
  const quiet = async () => {
    for (let i = 0; i < 12; i++) await turn();
  };
  return {
    packets,
    closed: () => closed,
    write: (bytes) => void near.write(bytes),
    quiet,
    async say(packet) {
      near.write(generate(packet, { protocolVersion: version }));
      await quiet();
    },
    async [Symbol.asyncDispose]() {
      near.destroy();
      far.destroy();
      await quiet();
    },
  };
}

export const connect = (more: object = {}): Packet => ({
  cmd: "connect",
  protocolId: "MQTT",
  protocolVersion: 5,
  clean: true,
  clientId: "",
  keepalive: 60,
  ...more,
});
export const publish = (messageId: number, payload: Buffer | string = "{}"): Packet => ({
  cmd: "publish",
  topic: "devices/pump-1/telemetry",
  payload,
  qos: 1,
  dup: false,
  retain: false,
  messageId,
});
export const last = (from: Client): Packet | undefined => from.packets.at(-1);
export const reasonOf = (from: Client) =>
  (from.packets.findLast(({ cmd }) => cmd === "disconnect") as { reasonCode?: number } | undefined)?.reasonCode;
export const pass = (world: LinksWorld, ms: number) => {
  for (let i = 0; i <= Math.ceil(ms / tickMs); i++) world.links.tick();
};
