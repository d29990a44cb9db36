/** EST with strongSwan's client, and the table of clients in docs/protocol/est-clients.md that these tests fill. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { parseManifest } from "../../packages/contracts/src/index.ts";
import type { RunningPlatform } from "../running-platform.ts";
import { provide } from "./packages.ts";
import { sh } from "./shell-device.ts";
import type { steps } from "./steps.ts";

type Suite = ReturnType<typeof steps>;
type Workshop = {
  at(name: string): string;
  makeIdevid(factory: string, serial: string): Promise<{ cert: string; key: string }>;
  subjectOf(cert: string): Promise<string>;
};
type Call = (method: string, path: string, body?: unknown) => Promise<Response>;

export type ClientRow = { client: string; version: string; does: string[]; missing?: string };

/** `pki --estca` and `pki --est` of the Debian package strongswan-pki, unmodified. What cannot be installed is a row that says so. */
export async function enrollByStrongswan(
  { deviceUrl, ca }: RunningPlatform,
  { shop, suite, call }: { shop: Workshop; suite: Suite; call: Call },
): Promise<ClientRow> {
  const row: ClientRow = { client: "strongSwan `pki --est`", version: "", does: [] };
  const missing = provide(["pki"]).get("pki");
  if (missing !== undefined) {
    console.log(`- strongSwan: skipped, because pki is missing: ${missing}`);
    return { ...row, missing };
  }
  const { at, makeIdevid, subjectOf } = shop;
  const { step } = suite;
  row.version = versionOf("strongswan-pki");
  const can = (what: string, work: () => Promise<void>) =>
    step(`strongSwan: ${what}`, async () => {
      await work();
      row.does.push(what);
    });
  const pki = (...args: string[]) => sh("bash", "-c", `timeout 55 pki ${args.map((one) => `'${one}'`).join(" ")}`);
  const request = async (name: string, commonName: string) => {
    await sh("openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", at(`${name}.key`));
    const dn = ["--dn", `CN=${commonName}`, "--outform", "der"];
    await sh("bash", "-c", `pki --req --in '${at(`${name}.key`)}' --type ecdsa ${dn.join(" ")} > '${at(`${name}.csr`)}'`);
    return { csr: at(`${name}.csr`), key: at(`${name}.key`), cert: at(`${name}.pem`) };
  };
  const enroll = async (made: { csr: string; cert: string }, shown: { cert: string; key: string }) => {
    const trust = ["--cacert", ca, "--cacert", at("swan-ca-1.pem"), "--cert", shown.cert, "--key", shown.key];
    const poll = ["--interval", "1", "--maxpolltime", "45", "--outform", "pem"];
    const out = await pki("--est", "--url", deviceUrl, "--in", made.csr, ...trust, ...poll);
    await writeFile(made.cert, out);
  };
  const entries = parseManifest("serial\nswan-1\n");
  await call("POST", "/manifests", { entries });
  const first = await request("swan-1", "swan-1");
  await can("cacerts", async () => {
    await pki("--estca", "--url", deviceUrl, "--cacert", ca, "--caout", at("swan-ca.pem"), "--outform", "pem", "--force");
  });
  await can("enroll by IDevID", async () => {
    await enroll(first, await makeIdevid("acme", "swan-1"));
    assert.equal(await subjectOf(first.cert), "subject=CN=swan-1");
  });
  await can("renew with a new key", async () => {
    const second = await request("swan-1-renewed", "swan-1");
    await enroll(second, first);
    assert.equal(await subjectOf(second.cert), "subject=CN=swan-1");
  });
  await can("wait for approval (202)", async () => {
    const waiting = await request("swan-9", "swan-9");
    const enrolled = enroll(waiting, await makeIdevid("acme", "swan-9"));
    await Promise.all([enrolled, approve(call, "swan-9")]);
    assert.equal(await subjectOf(waiting.cert), "subject=CN=swan-9");
  });
  return row;
}

/** Waits until a device stands in the queue, then lets it in. */
async function approve(call: Call, serial: string): Promise<void> {
  for (const deadline = Date.now() + 15_000; Date.now() < deadline; ) {
    const { items } = (await (await call("GET", "/enrollments/pending")).json()) as { items: { id: string; serial: string }[] };
    const found = items.find((one) => one.serial === serial);
    if (found !== undefined) {
      assert.equal((await call("POST", `/enrollments/pending/${found.id}/approve`)).status, 200);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${serial} never asked`);
}

/** The version of an installed Debian package, or of a command that says it. */
export function versionOf(packageName: string): string {
  try {
    return execFileSync("dpkg-query", ["-W", packageName], { encoding: "utf8" }).split("\t")[1]?.trim() ?? "unknown";
  } catch {
    return "unknown";
  }
}

export function clientTable(rows: readonly ClientRow[]): string {
  const lines = rows.map(({ client, version, does, missing }) =>
    missing === undefined ? `| ${client} | ${version} | ${does.join(", ")} |` : `| ${client} | – | not run here: ${missing} |`,
  );
  return `# EST clients that enroll here unchanged

Made by \`npm run test:third-party -- est --write\`, which runs each client against a platform. What stands in the last column was done in that run.

| client | version | does |
| --- | --- | --- |
${lines.join("\n")}
`;
}
