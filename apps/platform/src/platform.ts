import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { type AddressInfo, isIPv6 } from "node:net";
import { hostname } from "node:os";
import { api } from "@tenfold/contracts";
import type { FastifyRequest } from "fastify";
import { sql } from "kysely";
import { accessRoutes, createAccess } from "./access/index.ts";
import { createCommands, type Delivery } from "./commands/index.ts";
import type { Config } from "./config.ts";
import { serveConsole } from "./console.ts";
import { consumeMessages } from "./consumers.ts";
import { createCrashes } from "./crashes/index.ts";
import { announceEndpoints, type Endpoints, listening, portsOf, waysIn } from "./endpoints.ts";
import { beginEngines, type StartingEngines } from "./engines.ts";
import { createEnrollment } from "./enrollment/index.ts";
import { healthRoutes } from "./health.ts";
import {
  type Clock,
  createBatcher,
  createDeviceHttp,
  createHandshakes,
  createHttp,
  createMetrics,
  type DeviceHttp,
  guarded,
  type Log,
  liveEvents,
  seekLead,
  serve,
  systemClock,
  tlsSocketOf,
} from "./kernel/index.ts";
import { createKpi } from "./kpi/index.ts";
import { createLinks, linksRoutes } from "./links/index.ts";
import { createMonitoring, monitoringRoutes } from "./monitoring/index.ts";
import { type Contact, createRegistry, type Refusal, registryRoutes } from "./registry/index.ts";
import { createReleases, type ReleasesDeps } from "./releases/index.ts";
import { dutiesOf } from "./roles.ts";
import { createDdi, createRollouts } from "./rollouts/index.ts";
import {
  createIntake,
  createTelemetry,
  deadLetterRoutes,
  keepDeadLetters,
  type RefusalNote,
  siftBy,
  telemetryRoutes,
} from "./telemetry/index.ts";
import { eventsTimeline } from "./timeline.ts";
import { createTuf, openOnlineKey } from "./tuf/index.ts";

export type Platform = {
  version: string;
  /** What to print: name and address of each way in. */
  endpoints: Record<string, string>;
  /** Resolves with the reason when this process can keep no promise any more (a failed fdatasync) and must end, to be started again. */
  broken: Promise<string>;
  /** Stops accepting, commits and acknowledges what was taken, then stops the engines. Each part has a deadline. Safe to call twice. */
  stop(): Promise<void>;
};

export type PlatformOptions = {
  config: Config;
  log: Log;
  clock?: Clock;
  /** Engines that were begun already, with the same configuration, log and clock. */
  starting?: StartingEngines;
  /** Tests hold every answer against its schema. */
  answers?: "validate" | "stringify";
  /** Tests leave out the metrics of the process, which all platforms of one process would share. */
  processMetrics?: "collect" | "omit";
};

/** The advisory lock of whoever moves what moves by itself. */
const loopsLock = 7_303_014_465;

/** How long the links may take to be answered for what they handed over. */
const drainMs = 3_000;

/**
 * Builds every part once, in order: engines, who may, what devices there are, their ways in, what they say, what they should run. When a
 * part cannot be started, those before it are stopped again, and nothing is left running.
 */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { config, log, clock = systemClock, starting = beginEngines({ config, clock, log }) } = options;
  try {
    return await build(options, starting);
  } catch (error) {
    await starting.ending.end();
    throw error;
  }
}

async function build(options: PlatformOptions, { engines, ending, broken }: StartingEngines): Promise<Platform> {
  const { config, log, clock = systemClock, answers = "stringify", processMetrics = "collect" } = options;
  const duties = dutiesOf(config);
  const { has } = duties;
  const { db, databaseUrl, store, bus, journal, blobs, uploadParts, crashBlobs, dataDir, kinds } = await engines;
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  const startedAt = new Date(clock.now()).toISOString();
  const metrics = createMetrics({ processMetrics });
  const part = (name: string) => log.child({ part: name });

  const access = createAccess({ db, clock, log: part("access"), publicUrl: config["public.url"] });
  const { audit, auditAll } = access;
  const registry = createRegistry({ db, bus, clock, log: part("registry"), audit });
  const hostnames = config["device.hostnames"];
  const enrollment = await createEnrollment({
    db,
    registry,
    audit,
    auditAll,
    bus,
    clock,
    log: part("enrollment"),
    dataDir,
    hostnames,
    certificateLifetime: config["certificate.lifetime"],
    renewalGrace: config["certificate.grace"],
    caKey: config["ca.key"],
    caPin: config["ca.pin"],
    linking: config["enrollment.linking"],
    onAttestationFailure: config["attestation.on.failure"],
    requestsPerMinute: config["enrollment.requests.per.minute"],
    clonePolicy: { onFork: config["clone.on.fork"], onSign: config["clone.on.sign"] },
    rotationWithin: config["rotation.within"],
    ...(duties.company === "shared" ? { authority: duties.authority } : {}),
    endpoints: duties.devices,
    send: (device, message) => links.send(device, message),
    refresh: (device, topic) => links.refresh(device, topic),
    deviceUrl: () => config["device.public.url"] ?? devicesReach(hostnames, deviceHttp?.server.address() ?? null),
  });

  // What devices say.
  const refusals = createBatcher<Refusal>({
    name: "refusals",
    everyMs: 500,
    most: 100_000,
    write: (items) => registry.recordRefusals(items),
    log,
  });
  const contacts = createBatcher<Contact>({
    name: "contacts",
    everyMs: 1_000,
    most: 200_000,
    write: (items) => registry.recordContacts(items),
    log,
  });
  const onRefused = ({ device, at, because, detail }: RefusalNote) => refusals.add({ device, at, reason: `${because}: ${detail}` });
  const putAside = keepDeadLetters({ db, clock, onRefused });
  const intake = createIntake({ journal, putAside, onRefused, log: part("intake"), metrics, sift: siftBy({ db, clock }) });
  const telemetry = createTelemetry({
    store,
    db,
    bus,
    clock,
    log: part("telemetry"),
    intake,
    putAside,
    audit,
    onRefused,
    metricBudget: config["device.metrics"],
    latestFrom: duties.company === "alone" ? "memory" : "store",
  });
  ending.add("notes", 3_000, () => Promise.all([refusals.stop(), contacts.stop(), telemetry.stop()]));
  ending.add("intake", 3_000, () => intake.stop());

  const handshakes = createHandshakes({
    metrics,
    limits: { perSecond: config["handshakes.per.second"], burst: Math.ceil(config["handshakes.per.second"] / 10) },
  });
  // Who is connected. The endpoint asks, hands over, and is told what to send; what it knows of a device it knows from its certificate.
  const links = createLinks({
    admit: (certificate, from) => enrollment.admit(certificate, from),
    pressure: () => intake.pressure(),
    receive: (message) => (message.channel === "renewal" ? enrollment.renewOnLink(message) : intake.receive(message)),
    downlink: async (devices, scope, topic) => {
      if (topic === "state/desired") return commands.desired(devices, scope);
      return written(topic === "identity" ? await enrollment.notice(devices) : await rollouts.nextOf(devices, scope));
    },
    pending: (device, scope) => commands.pending(device, scope),
    delivered: (device, scope, { command, at }) => deliveries.add({ device, scope, command, at }),
    contact: (device, _scope, at) => contacts.add({ device, at }),
    refused: (device, _scope, { because, detail, at }) => refusals.add({ device, at, reason: `${because}: ${detail}` }),
    bus,
    clock,
    log: part("links"),
    metrics,
    handshakes,
    limits: {
      reconnectsPerS: config["handshakes.per.second"],
      maxConnections: config["mqtt.max.connections"],
      ratePerS: config["device.messages.per.second"],
      burst: config["device.burst"],
    },
  });

  // What devices should run.
  // One verdict a connection and moment: a device that follows signed metadata asks eight times in a row.
  const admitRequest = (request: { raw: IncomingMessage }) => links.admit(tlsSocketOf(request));
  const tuf = createTuf({
    db,
    audit,
    clock,
    log: part("tuf"),
    online: await openOnlineKey({ dataDir, keys: config["metadata.keys"] }),
    admitRequest,
    next: (device, scope) => rollouts.next(device, scope),
    boardOf: async (device, scope) => (await registry.pictures(scope, [device]))[0] ?? {},
    leaveOut: async (scope, { device, deployment, reason, detail }) =>
      void (await rollouts.observeReports([
        { device, scope, deployment, report: { state: "skipped", reason, detail }, at: clock.now() },
      ])),
    sendArtifact: (scope, sha256, exchange) => releases.sendArtifact(scope, sha256, exchange),
  });
  const releases = createReleases({
    db,
    standing: tuf.standing,
    blobs,
    parts: uploadParts,
    audit,
    clock,
    log: part("releases"),
    checks: artifactChecks(config, has),
    maxArtifactBytes: config["artifact.max.bytes"],
    uploadQuotaBytes: config["upload.quota.bytes"],
    uploadLifetimeMs: config["upload.lifetime"],
    admitRequest,
    firmwareInUse: (scope) => registry.firmwareInUse(scope),
  });
  const crashes = createCrashes({
    db,
    blobs: crashBlobs,
    audit,
    bus,
    clock,
    log: part("crashes"),
    admitRequest,
    exposureOf: (scope, device, at) => rollouts.exposureOf(scope, device, at),
    maxBytes: config["crash.max.bytes"],
    keepMs: config["crash.keep"],
  });
  const rollouts = createRollouts({
    crashSignatures: (scope, rollout) => crashes.signatures(scope, { rollout, limit: 5 }),
    db,
    registry,
    releases,
    refresh: (device, topic) => links.refresh(device, topic),
    audit,
    bus,
    clock,
    log: part("rollouts"),
    tickMs: config["rollout.tick"],
  });

  const commands = createCommands({
    db,
    registry,
    send: (device, message) => links.send(device, message),
    refresh: (device, topic) => links.refresh(device, topic),
    audit,
    bus,
    clock,
    log: part("commands"),
  });
  const deliveries = createBatcher<Delivery>({
    name: "deliveries",
    everyMs: 250,
    most: 100_000,
    write: (items) => commands.observeDeliveries(items),
    log,
  });
  ending.add("deliveries", 3_000, () => deliveries.stop());

  const ddi = createDdi({
    db,
    clock,
    log: part("ddi"),
    blobs,
    registry,
    releases,
    rollouts,
    admitRequest,
    contact: (contact) => contacts.add(contact),
    pollMs: config["ddi.polling"],
  });

  consumeMessages(intake, { registry, enrollment, rollouts, commands });

  // What is wrong, and how it all goes.
  const monitoring = createMonitoring({
    db,
    registry,
    sources: { rollouts: (scope) => rollouts.conditions(scope), artifacts: (scope) => releases.damaged(db, scope) },
    bus,
    clock,
    log: part("monitoring"),
    audit,
    hears: duties.devices,
  });

  const kpi = createKpi({ db, rollouts, lag: (scope, from, to) => telemetry.lagBetween(scope, from, to), clock });

  // What people look at.
  const authenticate = (request: FastifyRequest) => access.authenticate(request);
  const http = await createHttp({ log: part("http"), authenticate, version, answers, remember: { db, clock } });
  healthRoutes(http, {
    metrics,
    checks: [
      { name: "postgresql", examine: () => sql`select 1`.execute(db) },
      { name: "telemetry store", examine: () => store.ping() },
      { name: "journal", examine: async () => assertWell(journal.health()) },
    ],
  });
  let devicePorts: { https: number; mqtt: number } | undefined;
  serve(http, api.getVersion, async () => ({
    version,
    node: process.version,
    startedAt,
    roles: [...config.roles],
    engines: kinds,
    ...(devicePorts && { devicePorts }),
  }));
  const peoplesDoor = async () => {
    http.get("/api/openapi.json", guarded("anyone"), async () => http.swagger());
    liveEvents(http, bus);
    accessRoutes(http, { access });
    registryRoutes(http, {
      db,
      clock,
      audit,
      registry,
      timeline: [eventsTimeline(telemetry), rollouts.deviceUpdates, commands.timeline, monitoring.timeline, enrollment.timeline],
    });
    enrollment.routes(http);
    linksRoutes(http, links);
    deadLetterRoutes(http, { db, audit, intake });
    telemetryRoutes(http, {
      store,
      telemetry,
      select: async (scope, filter) => (await registry.select(scope, filter)).map(({ id }) => id),
    });
    commands.routes(http);
    releases.routes(http);
    tuf.routes(http);
    rollouts.routes(http);
    crashes.routes(http);
    monitoringRoutes(http, monitoring.deps);
    kpi.routes(http);
    await serveConsole(http);
  };
  if (has("api")) await peoplesDoor();

  const devicesDoor = (): DeviceHttp => {
    const door = createDeviceHttp({ tls: enrollment.serverTls(), log: part("device-http"), handshakes });
    enrollment.deviceRoutes(door);
    links.deviceRoutes(door);
    releases.deviceRoutes(door);
    tuf.deviceRoutes(door);
    ddi.deviceRoutes(door);
    crashes.deviceRoutes(door);
    enrollment.onServerTls((tls) => {
      door.server.setSecureContext({ ...tls, minVersion: "TLSv1.2" });
      links.present(tls);
    });
    return door;
  };
  const deviceHttp = has("links") ? devicesDoor() : undefined;

  // Everything is built: first the loops and what an earlier process acknowledged, then the doors. The end goes the other way: what came
  // in through the doors is acknowledged, the loops stop, the intake finishes its batch, and the engines go last.
  ending.add("enrollment", 3_000, () => enrollment.stop());
  if (has("links")) ending.add("pulse", 3_000, monitoring.listen());
  if (has("loops")) ending.add("loops", 6_000, await leadLoops());
  ending.add("doors", 2 * drainMs, () => Promise.all([links.close({ drainMs }), deviceHttp?.close(), http.close()]));
  if (has("intake")) intake.start();
  enrollment.start();
  const endpoints = await openDoors();
  devicePorts = portsOf(endpoints);
  const bootstrap = () => access.bootstrap({ dataDir, baseUrl: config["public.url"] ?? endpoints.url });
  // Of several API processes one writes the admin's token and the first sign-in's link, or each would make the others' worthless.
  const { setUpUrl } = has("api") && duties.authority === "keep" ? await bootstrap() : {};
  const withdraw = await announceEndpoints(dataDir, endpoints);
  ending.add("announcement", 1_000, withdraw);

  /** What moves by itself. With a shared database one process at a time does it; with one of its own this is the only process. */
  async function leadLoops(): Promise<() => Promise<void>> {
    const lead = async () => {
      const ends = [enrollment.lead(), telemetry.lead()];
      rollouts.start();
      crashes.start();
      releases.start();
      commands.start();
      await monitoring.start();
      return async () =>
        void (await Promise.all([
          monitoring.stop(),
          rollouts.stop(),
          crashes.stop(),
          releases.stop(),
          commands.stop(),
          ...ends.map((end) => end()),
        ]));
    };
    if (duties.company === "alone") return lead();
    const leader = seekLead({ url: databaseUrl, lock: loopsLock, log: part("loops"), lead });
    return () => leader.stop();
  }

  async function openDoors(): Promise<Endpoints> {
    const {
      "http.port": httpPort,
      "http.host": httpHost,
      "device.host": deviceHost,
      "device.https.port": devicePort,
      "mqtt.port": mqttPort,
    } = config;
    const url = await listening({ setting: "http.port", port: httpPort }, () => http.listen({ port: httpPort, host: httpHost }));
    if (deviceHttp === undefined) return { url };
    await listening({ setting: "device.https.port", port: devicePort }, () =>
      deviceHttp.listen({ port: devicePort, host: deviceHost }),
    );
    const mqtt = await listening({ setting: "mqtt.port", port: mqttPort }, () =>
      links.listenMqtt({ tls: enrollment.serverTls(), port: mqttPort, host: deviceHost }),
    );
    const address = deviceHttp.server.address() as AddressInfo;
    return { url, deviceUrl: `https://localhost:${address.port}`, mqttUrl: `mqtts://localhost:${mqtt.port}` };
  }

  return {
    version,
    endpoints: waysIn({ endpoints, roles: config.roles, setUpUrl, dataDir }),
    broken,
    stop: () => ending.end(),
  };
}

/** Where devices reach their HTTPS endpoint when no setting says it; undefined before it listens. */
function devicesReach([name = hostname()]: readonly string[], address: AddressInfo | string | null): string | undefined {
  if (address === null || typeof address === "string") return undefined;
  return `https://${isIPv6(name) ? `[${name}]` : name}:${address.port}`;
}

/** Who serves artifacts from a disk of ours reads them again and again; an S3 store keeps checksums itself. */
function artifactChecks(config: Config, has: (role: "api" | "links") => boolean): ReleasesDeps["checks"] {
  if (config["s3.bucket"] !== undefined || !(has("api") || has("links"))) return undefined;
  return { everyMs: config["artifact.check"], bytesPerSecond: config["artifact.check.bytes.per.second"] };
}

function assertWell(health: { is: "well" } | { is: "broken"; because: string }): void {
  if (health.is === "broken") throw new Error(health.because);
}

/** Each device's document, as text. */
const written = (documents: ReadonlyMap<string, object>): Map<string, string> =>
  new Map([...documents].map(([device, document]) => [device, JSON.stringify(document)]));
