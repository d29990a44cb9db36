import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { createServer as createTls, type TLSSocket } from "node:tls";
import { days } from "@tenfold/base";
import type { NextDeployment, RenewalAnswer } from "@tenfold/contracts";
import {
  type Authority,
  certsOnly,
  createAuthority,
  fromBase64,
  issueCertificate,
  issuerOf,
  makeName,
  newDeviceKey,
  oids,
  privateKeyPem,
  publicKeyOf,
  randomSerial,
  readCsr,
  toPem,
} from "@tenfold/pki";
import mqttPacket, { type IPublishPacket, type Packet } from "mqtt-packet";

export type Heard = { device: string; topic: string; payload: string };
export type HeardCrash = { device: string; kind: string; bytes: Buffer; boot?: string; version?: string; sha256?: string };

/**
 * The devices' side of a platform, small enough to read: real TLS, real certificates, EST, MQTT 5, artifacts with ranges, and the few
 * operations that a factory calls. It keeps everything in memory and judges little; what the platform judges is tested there.
 */
export type PretendPlatform = AsyncDisposable & {
  readonly httpsUrl: string;
  readonly mqttUrl: string;
  readonly apiUrl: string;
  readonly ca: string;
  readonly heard: Heard[];
  /** Who got a certificate, by EST and over the link. */
  readonly enrolled: string[];
  readonly crashes: HeardCrash[];
  /** What the next crash artifacts are answered with, after they were read. */
  crashStatus: number;
  /** Who of these renewed over the link. */
  readonly renewedOnLink: string[];
  /** False: a platform from before a link could renew. It refuses the subscription and the topic. */
  renewsOnLink: boolean;
  readonly artifacts: Map<string, Buffer>;
  /** One-time codes by serial number. */
  readonly codes: Map<string, string>;
  /** Public keys (PEM) that `signing-keys` lists. */
  readonly signingKeys: string[];
  /** How many of the next EST requests are answered with 202. */
  pending: number;
  /** Cuts every artifact answer after this many bytes, until it is put back to infinity. */
  cutAfter: number;
  /** Reason code for PUBACK; 0 means accepted. */
  pubackReason: number;
  /** What every device finds at `deployments/next`, told at once to those that are connected. */
  setNext(next: NextDeployment): void;
  connected(): string[];
  dropLinks(): void;
};

const v5 = { protocolVersion: 5 } as const;

export async function startPretendPlatform({ lifetime = days(30) }: { lifetime?: number } = {}): Promise<PretendPlatform> {
  const { root, issuing } = await createAuthority(Date.now() - 60_000);
  const ca = toPem("CERTIFICATE", root.certificate.der);
  const tls = {
    ...(await serverIdentity(issuing)),
    ca: [ca, toPem("CERTIFICATE", issuing.certificate.der)],
    requestCert: true,
    rejectUnauthorized: false,
  };
  const links = new Map<TLSSocket, string>();
  const sockets = new Set<Socket>();
  const state = {
    pending: 0,
    cutAfter: Number.POSITIVE_INFINITY,
    pubackReason: 0,
    crashStatus: 200,
    renewsOnLink: true,
    next: { is: "none" } as NextDeployment,
  };
  const kept = {
    heard: [] as Heard[],
    enrolled: [] as string[],
    crashes: [] as HeardCrash[],
    renewedOnLink: [] as string[],
    artifacts: new Map<string, Buffer>(),
    codes: new Map<string, string>(),
    signingKeys: [] as string[],
  };

  const send = (socket: TLSSocket, topic: string, document: unknown) => {
    const payload = JSON.stringify(document);
    const packet: IPublishPacket = { cmd: "publish", topic, payload, qos: 0, dup: false, retain: false };
    socket.write(mqttPacket.generate(packet, v5));
  };
  const tell = (socket: TLSSocket, device: string) => send(socket, `devices/${device}/deployments/next`, state.next);
  const mqttServer = createTls(tls, (socket) => serveMqtt(socket));
  const httpsServer = createHttps(tls, (request, response) => void serveDevice(request, response).catch(() => response.destroy()));
  const apiServer = createServer((request, response) => serveOperator(request, response));
  for (const server of [mqttServer, httpsServer, apiServer]) {
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    });
  }
  const [mqttPort, httpsPort, apiPort] = await Promise.all([mqttServer, httpsServer, apiServer].map(listening));

  function serveMqtt(socket: TLSSocket): void {
    const parser = mqttPacket.parser(v5);
    const device = socket.authorized ? deviceOf(socket) : undefined;
    const refusal = device === undefined ? 0x87 : 0;
    const answer = (packet: Packet) => socket.write(mqttPacket.generate(packet, v5));
    const acknowledge = ({ messageId = 0 }: IPublishPacket, reasonCode: number) => answer({ cmd: "puback", messageId, reasonCode });
    const renew = async (packet: IPublishPacket, serial: string) => {
      if (!state.renewsOnLink) return acknowledge(packet, 0x90);
      const der = await certify(packet.payload.toString("latin1"), serial);
      kept.renewedOnLink.push(serial);
      const request = createHash("sha256").update(packet.payload).digest("hex");
      const answered: RenewalAnswer = { is: "issued", request, certificate: der.toString("base64") };
      send(socket, `devices/${serial}/identity/certificate`, answered);
      return acknowledge(packet, 0);
    };
    const hear = (packet: IPublishPacket) => {
      if (device !== undefined && packet.topic === `devices/${device}/identity/renewal`)
        return void renew(packet, device).catch(() => socket.destroy());
      if (device !== undefined && state.pubackReason === 0)
        kept.heard.push({ device, topic: packet.topic, payload: packet.payload.toString("utf8") });
      if (packet.qos === 1) acknowledge(packet, state.pubackReason);
    };
    socket.on("error", () => {});
    socket.on("close", () => links.delete(socket));
    const subscribe = (packet: Extract<Packet, { cmd: "subscribe" }>, subscriber: string) => {
      const granted = packet.subscriptions.map(({ topic }) =>
        topic.endsWith("/identity/certificate") && !state.renewsOnLink ? 0x87 : 1,
      );
      answer({ cmd: "suback", messageId: packet.messageId ?? 0, granted });
      links.set(socket, subscriber);
      tell(socket, subscriber);
    };
    parser.on("packet", (packet) => {
      if (packet.cmd === "publish") hear(packet);
      else if (packet.cmd === "pingreq") answer({ cmd: "pingresp" });
      else if (packet.cmd === "connect") answer({ cmd: "connack", sessionPresent: false, reasonCode: refusal });
      else if (packet.cmd === "subscribe" && device !== undefined) subscribe(packet, device);
    });
    socket.on("data", (bytes) => parser.parse(bytes));
  }

  async function serveDevice(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? "";
    const socket = request.socket as TLSSocket;
    if (url === "/.well-known/est/cacerts") return pkcs7(response, [issuing.certificate.der, root.certificate.der]);
    if (url.startsWith("/.well-known/est/simple")) return enroll(request, response, socket);
    if (url.startsWith("/v1/crash/")) return takeCrash(request, response, socket);
    const bytes = deviceOf(socket) === undefined ? undefined : kept.artifacts.get(url.replace("/v1/artifacts/", ""));
    if (bytes === undefined) return void response.writeHead(404).end();
    sendArtifact(bytes, { request, response });
  }

  async function takeCrash(request: IncomingMessage, response: ServerResponse, socket: TLSSocket): Promise<void> {
    const device = deviceOf(socket);
    const bytes = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>));
    const { "tenfold-boot": boot, "tenfold-firmware": version, "tenfold-sha256": sha256 } = request.headers;
    const kind = (request.url ?? "").replace("/v1/crash/", "");
    if (device !== undefined && state.crashStatus === 200)
      kept.crashes.push({ device, kind, bytes, ...({ boot, version, sha256 } as Partial<HeardCrash>) });
    response.writeHead(device === undefined ? 401 : state.crashStatus).end();
  }

  function sendArtifact(bytes: Buffer, { request, response }: { request: IncomingMessage; response: ServerResponse }): void {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const rest = bytes.subarray(from);
    const range = from > 0 ? { "Content-Range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {};
    response.writeHead(from > 0 ? 206 : 200, { "Content-Length": rest.length, ...range });
    if (rest.length <= state.cutAfter) response.end(rest);
    else response.write(rest.subarray(0, state.cutAfter), () => setImmediate(() => response.destroy()));
  }

  async function enroll(request: IncomingMessage, response: ServerResponse, socket: TLSSocket): Promise<void> {
    const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString("latin1");
    const serial = serialOf(request, socket);
    if (serial === undefined)
      return void response.writeHead(401, { "Content-Type": "text/plain" }).end("No identity that enrolls here.");
    if (state.pending > 0) {
      state.pending -= 1;
      return void response.writeHead(202, { "Retry-After": "1" }).end();
    }
    pkcs7(response, [await certify(body, serial)]);
  }

  async function certify(csr: string, serial: string): Promise<Buffer> {
    const { publicKey } = readCsr(fromBase64(csr));
    const now = Date.now();
    const certificate = await issueCertificate({
      issuer: issuerOf(issuing),
      subject: makeName([{ type: oids.commonName, value: serial }]),
      publicKey,
      serial: randomSerial(),
      notBefore: now - 1_000,
      notAfter: now + lifetime,
      usage: "device",
    });
    kept.enrolled.push(serial);
    return certificate.der;
  }

  function serialOf(request: IncomingMessage, socket: TLSSocket): string | undefined {
    const [serial = "", code] = Buffer.from((request.headers.authorization ?? "").replace("Basic ", ""), "base64")
      .toString()
      .split(":");
    if (code !== undefined) return kept.codes.get(serial) === code ? serial : undefined;
    // OpenSSL names attributes that the types of Node do not list.
    const subject = socket.getPeerCertificate().subject as unknown as { serialNumber?: string; CN?: string } | undefined;
    return subject?.serialNumber ?? subject?.CN;
  }

  function serveOperator(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? "").replace("/api/v1", "");
    const keys = kept.signingKeys.map((publicKeyPem, i) => ({
      keyid: String(i),
      name: `key ${i}`,
      publicKeyPem,
      createdAt: "2026-01-01T00:00:00Z",
    }));
    const anchor = {
      id: "anc_1",
      name: "a",
      subject: "CN=a",
      fingerprint: "",
      notAfter: "2036-01-01T00:00:00Z",
      unknownDevices: "refuse",
      manifests: "any",
      manifestKeys: [],
      createdAt: "2026-01-01T00:00:00Z",
    };
    const answers: Record<string, unknown> = {
      "GET /trust-anchors": { items: [] },
      "POST /trust-anchors": anchor,
      "POST /manifests": { expected: 1, already: 0 },
      "GET /signing-keys": { items: keys },
    };
    request.resume();
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(answers[`${request.method} ${path}`] ?? {}));
  }

  return Object.assign(state, kept, {
    httpsUrl: `https://localhost:${httpsPort}`,
    mqttUrl: `mqtts://localhost:${mqttPort}`,
    apiUrl: `http://127.0.0.1:${apiPort}`,
    ca,
    setNext(next: NextDeployment) {
      state.next = next;
      for (const [socket, device] of links) tell(socket, device);
    },
    connected: () => [...links.values()].toSorted(),
    dropLinks() {
      for (const socket of links.keys()) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      const closed = [mqttServer, httpsServer, apiServer].map((server) => new Promise((resolve) => server.close(resolve)));
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
    },
  });
}

async function serverIdentity(issuing: Authority): Promise<{ key: string; cert: string }> {
  const key = newDeviceKey();
  const now = Date.now();
  const wish = {
    issuer: issuerOf(issuing),
    publicKey: publicKeyOf(key),
    serial: randomSerial(),
    notBefore: now - 60_000,
    notAfter: now + days(1),
    usage: "server",
  } as const;
  const certificate = await issueCertificate({
    ...wish,
    subject: makeName([{ type: oids.commonName, value: "localhost" }]),
    alternativeNames: [{ kind: "dns", value: "localhost" }],
  });
  return { key: privateKeyPem(key), cert: toPem("CERTIFICATE", certificate.der) + toPem("CERTIFICATE", issuing.certificate.der) };
}

const deviceOf = (socket: TLSSocket): string | undefined => {
  // Without a client certificate Node answers an empty object.
  const subject = socket.getPeerCertificate().subject as { CN?: string } | undefined;
  return subject?.CN;
};

function pkcs7(response: ServerResponse, certificates: Uint8Array[]): void {
  const body = `${certsOnly(certificates).toString("base64").replace(/.{64}/g, "$&\n")}\n`;
  response
    .writeHead(200, { "Content-Type": "application/pkcs7-mime; smime-type=certs-only", "Content-Length": body.length })
    .end(body);
}

function listening(server: {
  listen(port: number, host: string, done: () => void): unknown;
  address(): AddressInfo | string | null;
}): Promise<number> {
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(address !== null && typeof address === "object" ? address.port : 0);
    }),
  );
}
