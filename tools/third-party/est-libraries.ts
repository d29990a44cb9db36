/** EST with the clients of two libraries, unmodified, each behind a small command line of its own: Bouncy Castle (Java) and est-ca (Rust). */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { RunningPlatform } from "../running-platform.ts";
import type { ClientRow } from "./est-clients.ts";
import { onPath } from "./packages.ts";
import { sh } from "./shell-device.ts";
import type { steps } from "./steps.ts";

type Suite = ReturnType<typeof steps>;
type Workshop = {
  at(name: string): string;
  makeIdevid(factory: string, serial: string): Promise<{ cert: string; key: string }>;
  makeRequest(name: string, commonName: string): Promise<{ key: string }>;
  subjectOf(cert: string): Promise<string>;
};
type Call = (method: string, path: string, body?: unknown) => Promise<Response>;
export type Scene = { shop: Workshop; suite: Suite; call: Call };

const run = promisify(execFile);
/** Libraries and what is built from them stay here from one run to the next. */
const cache = resolve(".tools/third-party");
const buildMs = 1_500_000;
const bouncyCastle = { version: "1.79", jars: ["bcpkix-jdk18on", "bcprov-jdk18on", "bcutil-jdk18on"] };

/** A row that fills with what the client did, or says why it was not run. */
export function rowOf(client: string, version: string, { step }: Suite) {
  const row: ClientRow = { client, version, does: [] };
  const can = (what: string, work: () => Promise<void>) =>
    step(`${client}: ${what}`, async () => {
      await work();
      row.does.push(what);
    });
  return { row, can };
}

export function skipped(row: ClientRow, missing: string): ClientRow {
  console.log(`- ${row.client}: skipped: ${missing}`);
  return { ...row, missing };
}

export async function enrollByBouncyCastle({ deviceUrl, ca }: RunningPlatform, { shop, suite, call }: Scene): Promise<ClientRow> {
  const { row, can } = rowOf("Bouncy Castle EST (Java)", bouncyCastle.version, suite);
  const classes = await compileJava().catch((error: Error) => error);
  if (classes instanceof Error) return skipped(row, classes.message);
  const { at, makeIdevid, makeRequest, subjectOf } = shop;
  const est = (operation: string, out: string, ...more: string[]) =>
    run("java", ["-cp", classes, "BouncyCastleEst", operation, new URL(deviceUrl).host, ca, at(out), ...more], { timeout: 60_000 });
  await call("POST", "/manifests", { entries: [{ serial: "castle-1" }] });
  const first = await makeRequest("castle-1", "castle-1");
  await can("cacerts", async () => {
    await est("cacerts", "castle-ca.pem");
    assert.match(await readFile(at("castle-ca.pem"), "utf8"), /BEGIN CERTIFICATE/);
  });
  await can("csrattrs", async () => {
    assert.match((await est("csrattrs", "unused")).stdout, /1\.2\.840\.10045\.4\.3\.2/);
  });
  await can("enroll by IDevID", async () => {
    const idevid = await makeIdevid("acme", "castle-1");
    await est("enroll", "castle-1.pem", at("castle-1.der"), idevid.cert, idevid.key);
    assert.equal(await subjectOf(at("castle-1.pem")), "subject=CN=castle-1");
  });
  await can("renew with a new key", async () => {
    await makeRequest("castle-2", "castle-1");
    await est("reenroll", "castle-2.pem", at("castle-2.der"), at("castle-1.pem"), first.key);
    assert.equal(await subjectOf(at("castle-2.pem")), "subject=CN=castle-1");
  });
  await can("enroll by code", async () => {
    await makeRequest("castle-3", "castle-3");
    await est("enroll", "castle-3.pem", at("castle-3.der"), "castle-3", await codeFor(call, "castle-3"));
    assert.equal(await subjectOf(at("castle-3.pem")), "subject=CN=castle-3");
  });
  return row;
}

/** The class path of the driver. Throws what is missing, as a sentence. */
async function compileJava(): Promise<string> {
  if (!onPath("javac") || !onPath("mvn")) throw new Error("javac and mvn are needed (Debian: default-jdk-headless maven)");
  const folder = join(cache, "bouncy-castle");
  await mkdir(folder, { recursive: true });
  const jars = bouncyCastle.jars.map((name) => join(folder, `${name}-${bouncyCastle.version}.jar`));
  for (const name of bouncyCastle.jars) {
    const artifact = `org.bouncycastle:${name}:${bouncyCastle.version}`;
    await run("mvn", ["-q", "-B", "dependency:copy", `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`], {
      timeout: 300_000,
    });
  }
  await run("javac", ["-cp", jars.join(":"), "-d", folder, "tools/third-party/est/BouncyCastleEst.java"], { timeout: 300_000 });
  return [folder, ...jars].join(":");
}

export async function enrollByEstCa({ deviceUrl, ca }: RunningPlatform, { shop, suite, call }: Scene): Promise<ClientRow> {
  const { row, can } = rowOf("est-ca (Rust)", "0.2.0", suite);
  const program = await compileRust().catch((error: Error) => error);
  if (program instanceof Error) return skipped(row, program.message.slice(0, 300));
  const { at, makeRequest, subjectOf } = shop;
  const est = (operation: string, out: string, ...more: string[]) =>
    run(program, [operation, deviceUrl, ca, at(out), ...more], { timeout: 60_000 });
  await can("cacerts", async () => {
    await est("cacerts", "rust-ca.der");
    assert.match(await sh("openssl", "x509", "-inform", "DER", "-in", at("rust-ca.der"), "-noout", "-subject"), /Tenfold/);
  });
  await can("enroll by code", async () => {
    await est("enroll", "rust-1.der", "rust-1", "rust-1", await codeFor(call, "rust-1"));
    await sh("openssl", "x509", "-inform", "DER", "-in", at("rust-1.der"), "-out", at("rust-1.pem"));
    assert.equal(await subjectOf(at("rust-1.pem")), "subject=CN=rust-1");
  });
  await can("renew with a new key", async () => {
    await makeRequest("rust-2", "rust-1");
    await writeFile(
      at("rust-1.identity"),
      (await readFile(at("rust-1.pem"), "utf8")) + (await readFile(at("rust-1.der.key"), "utf8")),
    );
    await est("reenroll", "rust-2.der", at("rust-2.der"), at("rust-1.identity"));
    await sh("openssl", "x509", "-inform", "DER", "-in", at("rust-2.der"), "-out", at("rust-2.pem"));
    assert.equal(await subjectOf(at("rust-2.pem")), "subject=CN=rust-1");
  });
  return row;
}

async function compileRust(): Promise<string> {
  if (!onPath("cargo")) throw new Error("cargo is needed (rustup, or Debian: cargo)");
  const folder = join(cache, "est-ca");
  // Cargo writes its lock file beside the sources: not into the checkout.
  await cp("tools/third-party/est/rust", folder, { recursive: true });
  console.log("  building the client of est-ca (minutes, the first time) …");
  await run("cargo", ["build", "-q"], { cwd: folder, timeout: buildMs });
  return join(folder, "target", "debug", "est-ca-client");
}

export async function codeFor(call: Call, serial: string): Promise<string> {
  return ((await (await call("POST", "/enrollment-codes", { serial })).json()) as { code: string }).code;
}
