/** EST with the client of Cisco's libest, `estclient`: built from its own, unchanged sources against the OpenSSL of this machine. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { RunningPlatform } from "../running-platform.ts";
import type { ClientRow } from "./est-clients.ts";
import { codeFor, rowOf, type Scene, skipped } from "./est-libraries.ts";
import { onPath, provide } from "./packages.ts";

const run = promisify(execFile);
const home = resolve(".tools/third-party/libest");
const source = join(home, "source");
const sources = "https://github.com/cisco/libest";
const buildMs = 300_000;

export async function enrollByLibest({ deviceUrl, ca }: RunningPlatform, { shop, suite, call }: Scene): Promise<ClientRow> {
  const { row, can } = rowOf("libest `estclient`", "3.2.0p", suite);
  const program = await buildEstclient().catch((error: Error) => error);
  if (program instanceof Error) return skipped(row, program.message.slice(0, 300));
  const { at, makeIdevid, subjectOf } = shop;
  const { hostname, port } = new URL(deviceUrl);
  const est = async (out: string, ...args: string[]) => {
    await mkdir(at(out), { recursive: true });
    const where = ["-s", hostname, "-p", port, "-o", at(out), "--pem-output"];
    const { stdout } = await run(program, [...args, ...where], {
      timeout: 60_000,
      env: { ...process.env, EST_OPENSSL_CACERT: ca },
    });
    return stdout;
  };
  // estclient ends with 0 whatever it was told, and numbers its files by thread and turn.
  const cert = (out: string) => at(join(out, "cert-0-0.pem"));
  const named = async (out: string, name: string, said: string) =>
    assert.equal(existsSync(cert(out)) ? await subjectOf(cert(out)) : said, `subject=CN=${name}`);
  await call("POST", "/manifests", { entries: [{ serial: "libest-1" }] });
  await can("cacerts", async () => {
    const said = await est("libest-ca", "-g");
    assert.match(await readFile(at("libest-ca/cacert-0-0.pem"), "utf8").catch(() => said), /BEGIN CERTIFICATE/);
  });
  await can("csrattrs", async () => assert.match(await est("libest-attributes", "-a", "-v"), /Success|csr attributes|MB/i));
  await can("enroll by IDevID, linked to the connection (tls-unique)", async () => {
    const idevid = await makeIdevid("acme", "libest-1");
    const said = await est("libest-1", "-e", "-z", "-c", idevid.cert, "-k", idevid.key, "--common-name", "libest-1");
    await named("libest-1", "libest-1", said);
  });
  await can("renew with its key", async () => {
    const said = await est("libest-2", "-r", "-c", cert("libest-1"), "-k", at("libest-1/key-x-x.pem"), "-z");
    await named("libest-2", "libest-1", said);
  });
  await can("enroll by code", async () => {
    const code = await codeFor(call, "libest-3");
    await named("libest-3", "libest-3", await est("libest-3", "-e", "-u", "libest-3", "-h", code, "--common-name", "libest-3"));
  });
  return row;
}

/** The program. Throws what is missing, as a sentence. */
async function buildEstclient(): Promise<string> {
  const program = join(source, "example/client/estclient");
  if (existsSync(program)) return program;
  // A package of headers has no command of its own by which it could be found.
  if (!existsSync("/usr/include/openssl/ssl.h")) provide(["libssl-dev"]);
  for (const command of ["cc", "make"]) if (!onPath(command)) throw new Error(`${command} is needed (Debian: build-essential)`);
  await mkdir(home, { recursive: true });
  if (!existsSync(source)) await cloneSources();
  console.log("  building libest (a minute, the first time) …");
  // A clone gives its files the times of their arrival: without this, make would want the autotools that wrote the later ones.
  await inSource("touch aclocal.m4 && sleep 1 && touch configure && find . -name '*.in' -exec touch {} +");
  await inSource("./configure --disable-shared --enable-static --disable-safec");
  await writeFile(join(home, "fips.c"), "int FIPS_mode(void) { return 0; }\nint FIPS_mode_set(int on) { return !on; }\n");
  // OpenSSL 3 has no FIPS_mode: two functions beside the sources answer "off". A function that estclient has twice is linked once.
  await inSource("cc -c ../fips.c -o ../fips.o");
  const flags = "CFLAGS='-O1 -w -std=gnu99 -fcommon'";
  await inSource(`make -C safe_c_stub ${flags} && make -C src ${flags}`);
  const linked = "LDFLAGS=-Wl,--allow-multiple-definition";
  await inSource(`make -C example/client ${flags} ${linked} LIBS='${home}/fips.o -lssl -lcrypto -ldl -lpthread'`);
  return program;
}

const inSource = (command: string) => run("bash", ["-c", command], { cwd: source, timeout: buildMs, maxBuffer: 32 * 1024 * 1024 });

async function cloneSources(): Promise<void> {
  try {
    await run("git", ["clone", "-q", "--depth", "1", sources, source], { timeout: 60_000 });
  } catch {
    throw new Error(`its sources could not be fetched: put a checkout of ${sources} at ${source}`);
  }
}
