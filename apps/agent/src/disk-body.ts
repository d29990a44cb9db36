import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describeError } from "@tenfold/base";
import {
  attestKey,
  type Body,
  certifyKey,
  connectLink,
  deviceProblems,
  fetchArtifact,
  type Link,
  type Proof,
  type Running,
  sendCrash,
  senml,
  talkMetadata,
  topics,
} from "@tenfold/device";
import { kindOfKeyUri, type TpmAttestor } from "@tenfold/pki";
import type { AgentConfig } from "./config.ts";
import type { Witness } from "./crashes/witness.ts";
import type { Disk } from "./disk.ts";
import type { Installer } from "./installers/index.ts";
import { attestorOf, destroySpent, identityOf, idevidOf, type KeptCredentials, pendingKey, succeed } from "./keys.ts";
import { limited } from "./limit.ts";
import type { Payload } from "./payload.ts";
import type { Queue } from "./queue.ts";
import { clockQuality, measureMachine, memoryUse, networkBytes } from "./signals.ts";
import type { Trust } from "./trust.ts";

const selfTestMs = 60_000;
const approvalPatienceMs = 30_000;

type Parts = {
  disk: Disk;
  installer: Installer;
  queue: Queue;
  running: Running;
  trust: Trust;
  witness: Witness;
  payload: Payload | undefined;
};

/** The brain's body on a real machine: files for slots, sockets for the network, a queue on disk for what cannot be sent now. */
export function createDiskBody(config: AgentConfig, { disk, installer, queue, running, trust, witness, payload }: Parts): Body {
  const name = topics(config.device);
  const traffic = trafficSince(networkBytes());
  const sendCrashes = () =>
    witness.work(async (artifact) =>
      sendCrash({ server: trust.server(config.https), identity: await currentIdentity(config, disk), artifact }),
    );
  let reconnects = -1;
  return {
    running,
    clock: { now: Date.now, mono: () => performance.now() },
    loadMemory: disk.loadMemory,
    saveMemory: disk.saveMemory,
    loadBoot: installer.loadBoot,
    saveBoot: installer.saveBoot,
    slots: installer.slots,
    metadata: {
      load: disk.loadMetadata,
      save: disk.saveMetadata,
      talk: async () =>
        talkMetadata({
          server: trust.server(config.https),
          identity: await currentIdentity(config, disk),
          device: config.device,
        }),
    },
    enroll: (kind, link) => enroll({ ...config, https: trust.server(config.https) }, { disk, kind, link }),
    refreshTrust: trust.refresh,
    async connect(events) {
      const identity = await currentIdentity(config, disk);
      const keepaliveS = Math.max(30, Math.ceil((2 * config.heartbeatMs) / 1_000));
      const link = await connectLink({ server: trust.server(config.mqtt), identity, device: config.device, keepaliveS, events });
      reconnects += 1;
      void queue.drain(link);
      void sendCrashes();
      return link;
    },
    async download({ path, from }) {
      const identity = await currentIdentity(config, disk);
      const bytes = await fetchArtifact({ server: trust.server(config.https), identity, path, from });
      return config.downloadLimit === undefined ? bytes : limited(bytes, config.downloadLimit);
    },
    async takeSample(link: Link | undefined) {
      const now = Date.now();
      queue.push({ topic: name.telemetry, payload: senml(measureMachine(disk.folder), now) }, now);
      if (link) void queue.drain(link);
      if (link) void sendCrashes();
    },
    selfTest: async () => {
      const up = (await payload?.health()) ?? { is: "pass" };
      return up.is === "pass" ? selfTest(config.selfTest) : up;
    },
    ...(config.keys !== undefined && kindOfKeyUri(config.keys) === "tpm"
      ? { attest: () => attest({ ...config, https: trust.server(config.https) }, disk) }
      : {}),
    vitals() {
      const { depth, oldestAgeS, dropped, refused } = queue.figures(Date.now());
      return {
        clock: clockQuality(),
        trust: { roots: trust.roots() },
        net: { bearer: "ip", reconnects: Math.max(0, reconnects) },
        memory: memoryUse(),
        queue: { depth, oldestAgeS },
        counters: { queue_dropped: dropped, queue_refused: refused, ...traffic() },
      };
    },
  };
}

/** Counters of a heartbeat count from the boot that it names. */
function trafficSince(boot: { rx: number; tx: number } | undefined): () => Record<string, number> {
  return () => {
    const now = networkBytes();
    if (boot === undefined || now === undefined) return {};
    return { rx_bytes: Math.max(0, now.rx - boot.rx), tx_bytes: Math.max(0, now.tx - boot.tx) };
  };
}

const currentIdentity = async (config: AgentConfig, disk: Disk) => identityOf(await currentCredentials(config, disk), config);

async function currentCredentials(config: AgentConfig, disk: Disk): Promise<KeptCredentials> {
  const credentials = await disk.loadCredentials();
  if (credentials === undefined) throw deviceProblems.link_unreachable(`${config.device} has no certificate yet.`);
  return credentials;
}

/** The new key is on disk before anybody is asked, and the old certificate stays until the new one is there. */
type Enrolling = { disk: Disk; kind: "first" | "renewal"; link: Link | undefined };

async function enroll(config: AgentConfig, { disk, kind, link }: Enrolling) {
  const current = await disk.loadCredentials();
  // A power cut between the certificate's save and the memory's: the certificate is good.
  if (kind === "first" && current && current.notAfter > Date.now()) return current;
  const key = await pendingKey(config, disk);
  const renewal = kind === "renewal" && current !== undefined;
  const proof: Proof = renewal ? { is: "certificate", identity: await identityOf(current, config) } : await firstProof(config);
  const operation = renewal ? "simplereenroll" : "simpleenroll";
  const { https: server, device } = config;
  if (key.attestor !== undefined) await attestFirst(config, { proof, attestor: key.attestor });
  const issued = await certifyKey({ server, device, proof, operation, patienceMs: approvalPatienceMs, link }, key.signer);
  const credentials = succeed(key.keep(issued), current);
  await disk.saveCredentials(credentials);
  await disk.savePendingKey(undefined);
  await destroySpent(credentials, { disk, state: config.state });
  return credentials;
}

/** The platform may want to know first that the key is in a TPM. Where it does not, an attestation that does not come about keeps nobody out. */
async function attestFirst({ https: server }: AgentConfig, wish: { proof: Proof; attestor: TpmAttestor }): Promise<void> {
  try {
    const { verdict, because, software } = await attestKey({ server, ...wish });
    say("attestation.answered", { verdict, because, software });
  } catch (error) {
    say("attestation.failed", { because: describeError(error) });
  }
}

/** As a command asks for it: for the certificate that is in use. */
async function attest(config: AgentConfig, disk: Disk) {
  const current = await currentCredentials(config, disk);
  const attestor = attestorOf(current, config);
  if (attestor === undefined)
    throw deviceProblems.attestation_refused("The certificate in use has a software key; the next one will not.");
  return attestKey({ server: config.https, proof: { is: "certificate", identity: await identityOf(current, config) }, attestor });
}

const say = (event: string, fields: Record<string, unknown>): void =>
  void process.stderr.write(`${JSON.stringify({ event, ...fields })}\n`);

async function firstProof(config: AgentConfig): Promise<Proof> {
  const { code, device } = config;
  const idevid = await idevidOf(config);
  if (idevid) return { is: "certificate", identity: idevid };
  if (code !== undefined) return { is: "code", serial: device, code };
  throw deviceProblems.enrollment_refused(`${device} has nothing to enroll with.`, {
    fix: "Give --idevid-cert and --idevid-key, or --code (made by `tenfold enroll code`).",
  });
}

async function selfTest(program: string | undefined): Promise<{ is: "pass" } | { is: "fail"; detail: string }> {
  if (program === undefined) return { is: "pass" };
  try {
    await promisify(execFile)(program, [], { timeout: selfTestMs, maxBuffer: 64 * 1_024 });
    return { is: "pass" };
  } catch (error) {
    return { is: "fail", detail: `${program}: ${describeError(error)}`.slice(0, 1_000) };
  }
}
