import { generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type Agent, request } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { defaultScope } from "@tenfold/base";
import type { Actor, EnrollmentAttempt, LiveEvent } from "@tenfold/contracts";
import {
  createCsr,
  type DeviceIdentity,
  makeDeviceIdentity,
  makeManufacturer,
  type NameAttribute,
  oids,
  privateKeyPem,
  readCertsOnly,
  toPem,
} from "@tenfold/pki";
import { createAccess } from "../access/index.ts";
import { createBus, createDeviceHttp, silentLog } from "../kernel/index.ts";
import { testDatabase } from "../kernel/testing.ts";
import { createRegistry } from "../registry/index.ts";
import type { EnrollmentDeps } from "./deps.ts";
import { createEnrollment } from "./index.ts";
import { listAttempts } from "./store.ts";

/** The moment at which tests begin: about now, because the TLS client of a test judges the server's certificate by the real clock. */
export const start = Math.floor(Date.now() / 60_000) * 60_000;
export const operator: Actor = { kind: "person", id: "per_1", name: "Olga" };

export type Answer = { status: number; headers: NodeJS.Dict<string | string[]>; rawHeaders: string[]; body: Buffer };
export type Client = {
  key?: string;
  cert?: string;
  /** Which roots it believes, PEM; the world's unless told otherwise. */
  ca?: string;
  user?: string;
  password?: string;
  headers?: Record<string, string>;
  /** Keeps its connections; each request has one of its own unless told otherwise. */
  agent?: Agent;
};

/** A platform's enrollment as devices meet it: real PostgreSQL, registry, audit trail and TLS; only the clock is a test's. */
export async function enrollmentWorld(options: Partial<EnrollmentDeps> = {}) {
  const database = await testDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), "tenfold-test-enrollment-"));
  let now = start;
  const clock = { now: () => now };
  const bus = createBus(clock);
  const events: LiveEvent[] = [];
  bus.subscribe((event) => void events.push(event));
  const access = createAccess({ db: database.db, clock, log: silentLog });
  const registry = createRegistry({ db: database.db, bus, clock, log: silentLog, audit: access.audit });
  const deps: EnrollmentDeps = {
    db: database.db,
    registry,
    audit: access.audit,
    auditAll: access.auditAll,
    bus,
    clock,
    log: silentLog,
    dataDir,
    hostnames: [],
    deviceUrl: () => "https://localhost:8443",
    ...options,
  };
  const enrollment = await createEnrollment(deps);
  const unwatch = enrollment.watchConnections();
  const app = createDeviceHttp({ tls: enrollment.serverTls(), log: silentLog });
  enrollment.onServerTls((tls) => app.server.setSecureContext(tls));
  enrollment.deviceRoutes(app);
  await app.listen({ port: 0, host: "127.0.0.1" });
  // Fastify listens on TCP, so this is no path.
  const { port } = app.server.address() as AddressInfo;

  const call = (method: string, path: string, given: Client & { body?: string | Buffer } = {}) =>
    ask({ port, method, path, ...given, ca: given.ca ?? enrollment.trustedCaPem });
  return {
    db: database.db,
    dataDir,
    deps,
    registry,
    access,
    enrollment,
    events,
    bus,
    port,
    clock,
    pass: (ms: number) => (now += ms),
    call,
    /** Posts a certificate request, as a device does. */
    post: (operation: string, csr: string | Buffer, client: Client = {}) =>
      call("POST", `/.well-known/est/${operation}`, {
        ...client,
        body: csr,
        headers: { "Content-Type": "application/pkcs10", ...client.headers },
      }),
    attempts: (page: { serial?: string } = {}): Promise<EnrollmentAttempt[]> =>
      listAttempts(database.db, defaultScope, { ...page, limit: 100 }),
    async [Symbol.asyncDispose]() {
      await app.close();
      unwatch();
      await enrollment.stop();
      await database[Symbol.asyncDispose]();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export type World = Awaited<ReturnType<typeof enrollmentWorld>>;

type Ask = Client & { port: number; ca: string; method: string; path: string; body?: string | Buffer; socket?: TLSSocket };

/** One HTTPS request. */
function ask({ port, ca, method, path, key, cert, user, password, headers = {}, body, socket, agent }: Ask): Promise<Answer> {
  const basic: Record<string, string> =
    user === undefined ? {} : { Authorization: `Basic ${Buffer.from(`${user}:${password ?? ""}`).toString("base64")}` };
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: "127.0.0.1",
        servername: "localhost",
        port,
        method,
        path,
        ca,
        ...(key ? { key } : {}),
        ...(cert ? { cert } : {}),
        ...(socket ? { createConnection: () => socket } : { agent: agent ?? false }),
        headers: { ...basic, ...headers },
        timeout: 10_000,
      },
      (incoming) => {
        const parts: Buffer[] = [];
        incoming.on("data", (part: Buffer) => parts.push(part));
        incoming.on("error", reject);
        incoming.on("end", () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            rawHeaders: incoming.rawHeaders,
            body: Buffer.concat(parts),
          }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer within 10 s")));
    outgoing.end(body);
  });
}

/** A factory whose CA the platform trusts, and its devices. */
export async function trustedFactory(world: World, unknownDevices: "approve" | "refuse" = "approve") {
  const manufacturer = await makeManufacturer({ now: start - 1_000 });
  const anchor = await world.enrollment.trust(defaultScope, {
    name: "Acme",
    certificatePem: toPem("CERTIFICATE", manufacturer.certificate.der),
    unknownDevices,
    actor: operator,
  });
  return {
    manufacturer,
    anchor,
    device: (serial: string, wish: { notBefore?: number; notAfter?: number } = {}) =>
      makeDeviceIdentity({ manufacturer, serial, notBefore: start - 1_000, ...wish }),
  };
}

export const asClient = ({ certificatePem, privateKeyPem: key }: DeviceIdentity): Client => ({ cert: certificatePem, key });

export const newKey = (): KeyObject => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

/** A request in base64, as it is posted. */
export async function csrFor(commonName: string, key: KeyObject, more: NameAttribute[] = []): Promise<string> {
  return (await createCsr({ key, subject: [{ type: oids.commonName, value: commonName }, ...more] })).toString("base64");
}

/** The one certificate in an answer. */
export function certificateIn(answer: Answer): X509Certificate {
  const [only, ...more] = readCertsOnly(Buffer.from(answer.body.toString("latin1"), "base64"));
  if (only === undefined || more.length > 0) throw new Error(`${more.length + 1} certificates in the answer`);
  return new X509Certificate(only);
}

/** Enrolls and gives the client that connects with the new certificate. */
export async function enrolled(
  world: World,
  operation: string,
  wish: { serial: string; client: Client; key?: KeyObject },
): Promise<Client & { certificate: X509Certificate; privateKey: KeyObject }> {
  const privateKey = wish.key ?? newKey();
  const answer = await world.post(operation, await csrFor(wish.serial, privateKey), wish.client);
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`);
  const certificate = certificateIn(answer);
  return { certificate, privateKey, cert: certificate.toString(), key: privateKeyPem(privateKey) };
}

/** The client's side of `channelBindingOf`, on a fresh connection. */
function bindingOfClient(socket: TLSSocket): Buffer {
  if (socket.getProtocol() === "TLSv1.3") return socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
  return socket.getFinished() ?? Buffer.alloc(0);
}

/** Posts a request that is made once the TLS connection stands, as a client does that links its proof of possession. */
export async function postLinked(
  w: World,
  path: string,
  { client, version, csr }: { client: Client; version: "TLSv1.2" | "TLSv1.3"; csr: (binding: string) => Promise<Buffer> },
): Promise<Answer> {
  const socket = connect({
    host: "127.0.0.1",
    servername: "localhost",
    port: w.port,
    ca: w.enrollment.trustedCaPem,
    ...(client.key ? { key: client.key } : {}),
    ...(client.cert ? { cert: client.cert } : {}),
    minVersion: version,
    maxVersion: version,
  });
  await once(socket, "secureConnect");
  const body = (await csr(bindingOfClient(socket).toString("base64"))).toString("base64");
  return ask({
    port: w.port,
    ca: w.enrollment.trustedCaPem,
    method: "POST",
    path: `/.well-known/est/${path}`,
    headers: { "Content-Type": "application/pkcs10", ...client.headers },
    body,
    socket,
  });
}
