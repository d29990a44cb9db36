import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describeError } from "@tenfold/base";
import {
  type Body,
  connectLink,
  deviceProblems,
  fetchArtifact,
  type Link,
  type Proof,
  type Running,
  requestCertificate,
  senml,
  topics,
} from "@tenfold/device";
import { newDeviceKey, privateKeyPem, readPrivateKey } from "@tenfold/pki";
import type { AgentConfig } from "./config.ts";
import type { Disk } from "./disk.ts";
import type { Queue } from "./queue.ts";
import { clockQuality, measureMachine } from "./signals.ts";
import type { Trust } from "./trust.ts";

const selfTestMs = 60_000;
const approvalPatienceMs = 30_000;

/** The brain's body on a real machine: files for slots, sockets for the network, a queue on disk for what cannot be sent now. */
export function createDiskBody(
  config: AgentConfig,
  { disk, queue, running, trust }: { disk: Disk; queue: Queue; running: Running; trust: Trust },
): Body {
  const name = topics(config.device);
  let reconnects = -1;
  return {
    running,
    clock: { now: Date.now, mono: () => performance.now() },
    loadMemory: disk.loadMemory,
    saveMemory: disk.saveMemory,
    loadBoot: disk.loadBoot,
    saveBoot: disk.saveBoot,
    slots: disk.slots,
    enroll: (kind) => enroll({ ...config, https: trust.server(config.https) }, { disk, kind }),
    refreshTrust: trust.refresh,
    async connect(events) {
      const identity = await currentCredentials(config, disk);
      const keepaliveS = Math.max(30, Math.ceil((2 * config.heartbeatMs) / 1_000));
      const link = await connectLink({ server: trust.server(config.mqtt), identity, device: config.device, keepaliveS, events });
      reconnects += 1;
      void queue.drain(link);
      return link;
    },
    download: async ({ path, from }) =>
      fetchArtifact({ server: trust.server(config.https), identity: await currentCredentials(config, disk), path, from }),
    async takeSample(link: Link | undefined) {
      const now = Date.now();
      queue.push({ topic: name.telemetry, payload: senml(measureMachine(disk.folder), now) }, now);
      if (link) void queue.drain(link);
    },
    selfTest: () => selfTest(config.selfTest),
    vitals() {
      const { depth, oldestAgeS, dropped, refused } = queue.figures(Date.now());
      return {
        clock: clockQuality(),
        trust: { roots: trust.roots() },
        net: { bearer: "ip", reconnects: Math.max(0, reconnects) },
        queue: { depth, oldestAgeS },
        counters: { queue_dropped: dropped, queue_refused: refused },
      };
    },
  };
}

async function currentCredentials(config: AgentConfig, disk: Disk) {
  const credentials = await disk.loadCredentials();
  if (credentials === undefined) throw deviceProblems.link_unreachable(`${config.device} has no certificate yet.`);
  return credentials;
}

/** The new key is on disk before anybody is asked, and the old certificate stays until the new one is there. */
async function enroll(config: AgentConfig, { disk, kind }: { disk: Disk; kind: "first" | "renewal" }) {
  const current = await disk.loadCredentials();
  // A power cut between the certificate's save and the memory's: the certificate is good.
  if (kind === "first" && current && current.notAfter > Date.now()) return current;
  const pending = await disk.loadPendingKey();
  const key = pending === undefined ? newDeviceKey() : readPrivateKey(pending);
  if (pending === undefined) await disk.savePendingKey(privateKeyPem(key));
  const renewal = kind === "renewal" && current !== undefined;
  const proof: Proof = renewal ? { is: "certificate", identity: current } : firstProof(config);
  const operation = renewal ? "simplereenroll" : "simpleenroll";
  const credentials = await requestCertificate({
    server: config.https,
    device: config.device,
    proof,
    operation,
    key,
    patienceMs: approvalPatienceMs,
  });
  await disk.saveCredentials(credentials);
  await disk.savePendingKey(undefined);
  return credentials;
}

function firstProof({ idevid, code, device }: AgentConfig): Proof {
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
