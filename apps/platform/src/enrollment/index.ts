/** Who a device is: manufacturers that are trusted, devices that are expected, certificates that were issued and revoked. */
import { hostname } from "node:os";
import { days, hours, type Scope, seconds } from "@tenfold/base";
import type { Actor, TimelineEntry } from "@tenfold/contracts";
import { type DeviceHttp, type Http, type Loop, startLoop } from "../kernel/index.ts";
import { type Admit, createAdmit } from "./admit.shell.ts";
import { createRefusals } from "./attempt-log.shell.ts";
import { createAttest } from "./attest.shell.ts";
import { type AttestOperating, createAttestOperating } from "./attest-operate.shell.ts";
import { attestDeviceRoutes, attestRoutes } from "./attest-routes.shell.ts";
import { pruneAttestations } from "./attestation-store.shell.ts";
import type { ServerTls } from "./authority.shell.ts";
import { listHolders } from "./certificate-store.shell.ts";
import { createCloneWatch } from "./clones.shell.ts";
import { createCrl } from "./crl.shell.ts";
import type { EnrollmentDeps } from "./deps.ts";
import { deviceRoutes } from "./device-routes.ts";
import { createEnroll, type Enroll } from "./enroll.shell.ts";
import { openInstallation } from "./installation.shell.ts";
import { createLinkRenewal, type LinkReceipt, type LinkRequest } from "./link-renewal.shell.ts";
import { createManifests, type Manifests } from "./manifests.shell.ts";
import { createNotices, type Notices } from "./notice.shell.ts";
import { createOcsp } from "./ocsp.shell.ts";
import { createOperating, type Operating } from "./operate.shell.ts";
import { createRateLimit } from "./rate.ts";
import { createRevocations, type Revocations } from "./revoke.shell.ts";
import { createRotations, type Rotations } from "./rotation.shell.ts";
import { routes } from "./routes.ts";
import { sealLog } from "./sealed-log.shell.ts";
import { startSigning } from "./signing.shell.ts";
import { prune } from "./store.ts";
import { createTransfers, type Transfers, transferTimeline } from "./transfers.shell.ts";

export type Enrollment = Revocations &
  Manifests &
  Transfers &
  Operating &
  AttestOperating & {
    /** The device endpoints' key and certificate as they are now; `onServerTls` tells of later ones. */
    serverTls(): ServerTls;
    onServerTls(listener: (tls: ServerTls) => void): () => void;
    /** PEM of our roots, which devices trust; also in `pki/ca.pem` of the data folder. More than one while a root is rotated. */
    readonly trustedCaPem: string;
    /** Asked at each connection, resumed TLS sessions too. The first admission of a certificate makes it active. */
    readonly admit: Admit;
    /** What a device finds at `identity`: roots, renewal before its time, the time. */
    readonly notice: Notices["of"];
    /** The staged replacement of issuing CA and root. */
    readonly rotations: Rotations;
    /** What heartbeats say about identity: the roots that are believed, and the boot id. Safe to repeat. */
    observeHeartbeats(heard: readonly HeardIdentity[]): Promise<void>;
    /** Evidence that an identity is in two places, and moves between owners and boards, newest first. */
    timeline(scope: Scope, device: string, limit: number): Promise<TimelineEntry[]>;
    /** EST without HTTP, for other ways in. */
    readonly enroll: Enroll;
    /** A certificate request that came up a device's connection; the answer goes down the same one. */
    readonly renewOnLink: (request: LinkRequest) => Promise<LinkReceipt>;
    routes(app: Http): void;
    /** EST and the revocation list, on the device HTTPS endpoint. */
    deviceRoutes(app: DeviceHttp): void;
    /** Begins what every process does: it follows rotations, and renews its server certificate. */
    start(): void;
    /** Notices connections that take each other's place, in one process of all, until the function that it returns is called. */
    watchConnections(): () => void;
    /** Begins what one process does for all: rotations go on, the log is sealed and pruned, clones are noticed. Returns the function that ends it. */
    lead(): () => Promise<void>;
    stop(): Promise<void>;
  };

type HeardIdentity = {
  readonly scope: Scope;
  readonly device: string;
  readonly at: number;
  readonly bootId: string;
  readonly roots: readonly string[] | undefined;
};

const keepRefusals = days(90);
const keepPending = days(7);
const requestsPerMinute = 60;
const enrollmentActor: Actor = { kind: "system", id: "enrollment", name: "enrollment" };

/** Opens (or, at the first start, makes) the authority under `dataDir/pki`. Throws `key_file_unusable` or `authority_files_inconsistent`. */
export async function createEnrollment(deps: EnrollmentDeps): Promise<Enrollment> {
  const { db, clock, log, hostnames } = deps;
  const { authority, keys } = await openInstallation(deps);
  const refusals = createRefusals({ db, clock, log });
  const revocations = createRevocations(deps);
  const operating = createOperating(deps);
  const manifests = createManifests(deps);
  const transfers = createTransfers({ ...deps, revocations, keys, ourName: () => deps.hostnames[0] ?? hostname() });
  const rotations = await createRotations({ ...deps, authority, keys, activeDevices: (since) => activeHolders(deps, since) });
  const { authorities } = rotations;
  const notices = createNotices({ ...deps, facts: rotations.noticeFacts, activeDevices: (since) => activeHolders(deps, since) });
  const issuers = () => authorities().answering;
  const clones = createCloneWatch({ ...deps, policy: deps.clonePolicy ?? { onFork: "quarantine", onSign: "note" } });
  const enroll = createEnroll({
    ...deps,
    authorities,
    refusals,
    forked: (scope, evidence) => clones.suspect(scope, { ...evidence, sign: "generation_fork" }),
  });
  const rate = createRateLimit(deps.requestsPerMinute ?? requestsPerMinute);
  const linking = deps.linking ?? "optional";
  const crl = createCrl({ db, clock, issuers });
  const server =
    deps.endpoints === "elsewhere"
      ? noServer
      : await watchServerTls((at) => authority.serverTls(at, authorities().serving), clock.now());
  const signing =
    deps.authority === "keep" &&
    startSigning({
      ...deps,
      authorities: issuers,
      policy: { deviceLifetime: deps.certificateLifetime ?? days(30), hostnames },
    });
  rotations.onChange(() => server.renew(clock.now()));
  rotations.onChange(notices.tell);
  const attesting = createAttestOperating(deps);
  const attest = createAttest({ ...deps, authorities, refusals, onAttestationFailure: deps.onAttestationFailure ?? "note" });
  const leave = revokeRetired(deps, revocations);
  let loops: Loop[] = [];
  return {
    ...revocations,
    ...operating,
    ...manifests,
    ...attesting,
    ...transfers,
    serverTls: server.now,
    onServerTls: server.onChange,
    get trustedCaPem() {
      return authorities().trustedCaPem;
    },
    admit: createAdmit({ ...deps, authorities, refusals }),
    enroll,
    renewOnLink: createLinkRenewal({ db, clock, enroll, rate, refusals, linking, send: deps.send ?? (() => false) }),
    notice: notices.of,
    rotations,
    async timeline(scope, device, limit) {
      const parts = await Promise.all([
        clones.timeline(scope, device, limit),
        attesting.attestationTimeline(scope, device, limit),
        transferTimeline(deps, scope, { device, limit }),
      ]);
      return parts
        .flat()
        .toSorted((a, b) => b.at.localeCompare(a.at))
        .slice(0, limit);
    },
    async observeHeartbeats(heard) {
      await clones.observeBoots(heard);
      await rotations.observeTrust(heard.flatMap(({ roots, ...one }) => (roots === undefined ? [] : [{ ...one, roots }])));
    },
    routes(app) {
      routes(app, { ...deps, operating, manifests, transfers, revocations, rotations });
      attestRoutes(app, { db, operating: attesting });
    },
    deviceRoutes(app) {
      attestDeviceRoutes(app, { attest, rate, clock });
      deviceRoutes(app, {
        enroll,
        crl,
        ocsp: createOcsp({ db, clock, issuers }),
        caCertificates: () => authorities().caCertificates,
        linking,
        rate,
        refusals,
        clock,
        log,
      });
    },
    start() {
      if (loops.length > 0) return;
      const following = startLoop({ name: "rotation.follow", everyMs: seconds(2), log, run: () => rotations.follow() });
      const keeping = startLoop({
        name: "enrollment",
        everyMs: hours(1),
        log,
        run: async () => {
          await server.renew(clock.now());
          await refusals.flush();
        },
      });
      loops = [following, keeping];
    },
    watchConnections: clones.watch,
    lead() {
      let lookAt = 0;
      const advance = async () => {
        const began = performance.now();
        if (began < lookAt) return;
        await rotations.advance();
        await notices.tell();
        // Counting a large fleet takes its time: a twentieth of the time may be spent on it.
        lookAt = performance.now() + 20 * (performance.now() - began);
      };
      const tidy = async () => {
        await prune(db, { now: clock.now(), keepMs: keepRefusals, pendingMs: keepPending });
        await pruneAttestations(db, { now: clock.now(), keepMs: days(1) });
      };
      const leading = [
        startLoop({ name: "rotation", everyMs: seconds(1), log, run: advance }),
        startLoop({ name: "enrollment.prune", everyMs: hours(1), log, run: tidy }),
        startLoop({ name: "enrollment-log", everyMs: seconds(10), log, run: async () => void (await sealLog(db)) }),
      ];
      const unwatch = clones.watch();
      return async () => {
        unwatch();
        await Promise.all(leading.map((loop) => loop.stop()));
      };
    },
    async stop() {
      leave();
      await Promise.all(loops.map((loop) => loop.stop()));
      if (signing) await signing.stop();
      await refusals.flush();
      await keys[Symbol.asyncDispose]();
    },
  };
}

/** Active devices that hold a certificate which connects or still recovers: those whom a rotation must not leave behind. */
async function activeHolders({ db, registry }: EnrollmentDeps, since: number): Promise<string[]> {
  const byFleet = Map.groupBy(await listHolders(db, since), ({ fleet }) => fleet);
  const active: string[] = [];
  for (const [fleet, holders] of byFleet) {
    const pictures = await registry.pictures(
      { fleet },
      holders.map(({ device }) => device),
    );
    active.push(...pictures.filter(({ lifecycle }) => lifecycle === "active").map(({ id }) => id));
  }
  return active;
}

/** Of a process that has no doors for devices. */
const noServer = {
  now: (): ServerTls => {
    throw new Error("This process has no endpoints for devices.");
  },
  onChange: () => () => {},
  renew: async () => {},
};

async function watchServerTls(open: (at: number) => Promise<ServerTls>, at: number) {
  const listeners = new Set<(tls: ServerTls) => void>();
  let current = await open(at);
  return {
    now: () => current,
    onChange(listener: (tls: ServerTls) => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async renew(now: number) {
      const next = await open(now);
      if (next.cert === current.cert) return;
      current = next;
      for (const listener of listeners) listener(next);
    },
  };
}

/** Retiring a device revokes what it holds. The bus is only the quick way: `admit` refuses a retired device in any case. */
function revokeRetired({ bus, registry, log }: EnrollmentDeps, { revokeDevice }: Revocations): () => void {
  return bus.subscribe(({ type, subject, data }, origin) => {
    // Where it was retired, and once.
    if (origin !== "here" || type !== "device.lifecycle_changed" || data.lifecycle !== "retired") return;
    void registry
      .find(subject)
      .then(
        (device) =>
          device && revokeDevice(device.scope, { device: subject, because: "The device was retired.", actor: enrollmentActor }),
      )
      .catch((error: unknown) => log.error("enrollment.retired_not_revoked", { device: subject, because: String(error) }));
  });
}
