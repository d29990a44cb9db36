/** Certificates a second and core (one process, one at a time) with full checks (request read, proof of possession verified, certificate built, signed, read back), beside OpenSSL's own tool. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { days, minutes } from "../packages/base/src/index.ts";
import {
  type Authority,
  createAuthority,
  createCsr,
  createIssuing,
  createRoot,
  entryHashOf,
  issueCertificate,
  issuerOf,
  logStart,
  makeName,
  newDeviceKey,
  oids,
  openKeyStore,
  randomSerial,
  readCsr,
  readLogLine,
  sealEntry,
  toPem,
  validateDerChain,
  walkLog,
} from "../packages/pki/src/index.ts";
import { makeSoftToken, withoutSoftHsm } from "../packages/testkit/src/hardware.ts";
import { atLeast, atMost, type BenchResult } from "./result.ts";

const forMs = 2_000;
const opensslRuns = 40;
const logEntries = 1_000_000;

export async function run(): Promise<BenchResult> {
  const now = Date.now();
  const { root, issuing } = await createAuthority(now - 1_000);
  const csr = await createCsr({ key: newDeviceKey(), subject: [{ type: oids.commonName, value: "pump-1" }] });
  const issue = () => issueFor(issuing, csr, now);
  const leaf = await issue();
  const chain = [leaf.der];
  const issued = await rate(issue);
  const read = await rate(async () => readCsr(csr));
  const validated = await rate(async () =>
    validateDerChain({ chain, intermediates: [issuing.certificate], anchors: [root.certificate], at: now, usage: "device" }),
  );
  const openssl = opensslRate(csr);
  const log = verifySeconds(logEntries);
  const token = await tokenRates(csr, now);
  return {
    bench: "identity",
    figures: {
      "certificates issued /s": issued,
      "requests read and proof verified /s": read,
      "chains of three validated /s": validated,
      "openssl x509 -req /s (a process each)": openssl,
      "attempt log: seconds for a million entries": log,
      "ours over openssl's": openssl === 0 ? 0 : issued / openssl,
      ...token,
    },
    aims: {
      "certificates issued /s": atLeast(issued, 1_000),
      "attempt log: seconds for a million entries": atMost(log, 10),
    },
  };
}

/** The same with the CA's key in SoftHSM2, 32 requests in flight, and how long the event loop was held; nothing where there is no token. */
async function tokenRates(csr: Buffer, now: number): Promise<Record<string, number>> {
  if (withoutSoftHsm() !== false) return {};
  await using token = await makeSoftToken("bench");
  await using store = openKeyStore(token.uri, { folder: tmpdir() });
  const named = (name: string) => [{ type: oids.commonName, value: name }];
  const root = await createRoot({ signer: await store.create("root"), name: named("Root"), now: now - 1_000 });
  const issuing = await createIssuing(root, { signer: await store.create("issuing"), name: named("Issuing"), now: now - 1_000 });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const inFlight = 32;
  const batches = await rate(() => Promise.all(Array.from({ length: inFlight }, () => issueFor(issuing, csr, now))));
  delay.disable();
  return {
    "certificates issued /s, key in SoftHSM2": batches * inFlight,
    "event loop held meanwhile, p99 ms": delay.percentile(99) / 1e6,
  };
}

/** Reads and verifies an exported log, line by line as `tenfold enroll verify` does; making the lines is not counted. */
function verifySeconds(entries: number): number {
  const walk = walkLog();
  let [head, ms] = [logStart, 0];
  for (let made = 0; made < entries; ) {
    const lines: string[] = [];
    for (; lines.length < 10_000; made++) {
      const entry = entryNumber(made);
      const entryHash = entryHashOf(entry);
      head = sealEntry(head, entryHash);
      lines.push(JSON.stringify({ entryHash, ...head, entry }));
    }
    const began = performance.now();
    for (const line of lines) {
      const read = readLogLine(line);
      if (read === undefined || walk.take(read) !== undefined) throw new Error("The log that was made here is broken.");
    }
    ms += performance.now() - began;
  }
  const verdict = walk.end();
  if (verdict.is !== "whole" || verdict.entries !== entries) throw new Error("The log that was made here is not whole.");
  return ms / 1_000;
}

/** An entry of the usual size. */
const entryNumber = (n: number): Record<string, string> => ({
  id: `atp_${n}`,
  fleet: "main",
  at: new Date(Date.UTC(2026, 0) + n * 1_000).toISOString(),
  serial: `pump-${n % 50_000}`,
  device: `pump-${n % 50_000}`,
  operation: "simplereenroll",
  method: "ldevid",
  verdict: "issued",
  step: "issue",
  because: "renewed",
  reason: `Certificate of pump-${n % 50_000} renewed.`,
  remoteAddress: "203.0.113.7",
  fingerprint: "ab".repeat(32),
});

function issueFor(issuing: Authority, der: Buffer, now: number) {
  const request = readCsr(der);
  return issueCertificate({
    issuer: issuerOf(issuing),
    subject: makeName([{ type: oids.commonName, value: "pump-1" }]),
    alternativeNames: [{ kind: "uri", value: "urn:tenfold:main:device:pump-1" }],
    publicKey: request.publicKey,
    serial: randomSerial(),
    notBefore: now - minutes(5),
    notAfter: now + days(30),
    usage: "device",
    crlUri: "https://localhost:8443/crl/issuing.crl",
  });
}

/** Runs one after another for two seconds, after a tenth of that to warm up. */
async function rate(once: () => Promise<unknown>): Promise<number> {
  await count(once, forMs / 10);
  const began = performance.now();
  const done = await count(once, forMs);
  return (done * 1_000) / (performance.now() - began);
}

async function count(once: () => Promise<unknown>, ms: number): Promise<number> {
  let done = 0;
  for (const end = performance.now() + ms; performance.now() < end; done++) await once();
  return done;
}

/** OpenSSL's command line on the same request and a CA of the same kind; 0 where there is no openssl. */
function opensslRate(csr: Buffer): number {
  const folder = mkdtempSync(join(tmpdir(), "tenfold-bench-identity-"));
  try {
    writeFileSync(join(folder, "csr.pem"), toPem("CERTIFICATE REQUEST", csr));
    const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "ignore", timeout: 20_000 });
    openssl(
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      "ca.key",
      "-out",
      "ca.pem",
      "-subj",
      "/CN=Bench CA",
    );
    const began = performance.now();
    for (let i = 0; i < opensslRuns; i++)
      openssl(
        "x509",
        "-req",
        "-in",
        "csr.pem",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-set_serial",
        String(i + 1),
        "-days",
        "30",
        "-out",
        "leaf.pem",
      );
    return (opensslRuns * 1_000) / (performance.now() - began);
  } catch {
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
