/** Certificates a second with full checks (request read, proof of possession verified, certificate built, signed, read back), beside OpenSSL's own tool. */
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
  issueCertificate,
  issuerOf,
  makeName,
  newDeviceKey,
  oids,
  openKeyStore,
  randomSerial,
  readCsr,
  toPem,
  validateDerChain,
} from "../packages/pki/src/index.ts";
import { makeSoftToken, withoutSoftHsm } from "../packages/testkit/src/hardware.ts";
import { atLeast, type BenchResult } from "./result.ts";

const forMs = 2_000;
const opensslRuns = 40;

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
  const token = await tokenRates(csr, now);
  return {
    bench: "identity",
    figures: {
      "certificates issued /s": issued,
      "requests read and proof verified /s": read,
      "chains of three validated /s": validated,
      "openssl x509 -req /s (a process each)": openssl,
      "ours over openssl's": openssl === 0 ? 0 : issued / openssl,
      ...token,
    },
    aims: { "certificates issued /s": atLeast(issued, 3_000) },
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
