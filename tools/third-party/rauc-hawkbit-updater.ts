/** rauc-hawkbit-updater, the DDI client of RAUC's makers: built from its own, unchanged sources, as no package of Debian 12 has it. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { onPath, provide } from "./packages.ts";

const run = promisify(execFile);
const name = "rauc-hawkbit-updater";
const home = resolve(".tools/third-party", name);
const source = join(home, "source");
const program = join(home, "build", name);
const sources = `https://github.com/rauc/${name}`;
/** What is built and tested: 1.4 and what its makers added by 2025. */
const commit = "227a2f332cf84adf7123b825c1ec01709ffad952";
const buildMs = 180_000;
/** A header of each library, by the Debian package that has it: such a package has no command by which it could be found. */
const headers = {
  "libcurl4-openssl-dev": [
    "/usr/include/curl/curl.h",
    "/usr/include/x86_64-linux-gnu/curl/curl.h",
    "/usr/include/aarch64-linux-gnu/curl/curl.h",
  ],
  "libglib2.0-dev": ["/usr/include/glib-2.0/glib.h"],
  "libjson-glib-dev": ["/usr/include/json-glib-1.0/json-glib/json-glib.h"],
};

/** A clone of the sources that is at hand, where the public address is not reached. */
const ownSources = "TENFOLD_TEST_RAUC_HAWKBIT_UPDATER";

/** The sources, with their tests, and the program that was built from them; or why there are none, as a sentence. */
export async function provideSources(): Promise<{ source: string; program: string } | { missing: string }> {
  try {
    if (!existsSync(program)) await build();
    return { source, program };
  } catch (error) {
    return { missing: error instanceof Error ? (error.message.split("\n")[0] ?? name) : String(error) };
  }
}

/** The program on PATH, else the one built here. Or why there is none, as a sentence. */
export async function provideUpdater(): Promise<{ command: string } | { missing: string }> {
  if (onPath(name)) return { command: name };
  const provided = await provideSources();
  return "missing" in provided ? provided : { command: provided.program };
}

async function build(): Promise<void> {
  const libraries = Object.entries(headers).filter(([, files]) => !files.some((file) => existsSync(file)));
  provide(["meson", "cc", "pkg-config", ...libraries.map(([library]) => library)]);
  for (const command of ["meson", "cc", "pkg-config"])
    if (!onPath(command)) throw new Error(`${command} is needed (Debian: meson, gcc, pkg-config)`);
  await mkdir(home, { recursive: true });
  if (!existsSync(source)) await fetchSources();
  console.log(`  building ${name} …`);
  const options = ["-Dsystemd=disabled", "-Dapidoc=disabled"];
  await run("meson", ["setup", join(home, "build"), source, ...options], { timeout: buildMs });
  await run("meson", ["compile", "-C", join(home, "build")], { timeout: buildMs });
}

async function fetchSources(): Promise<void> {
  const from = process.env[ownSources] ?? sources;
  try {
    await run("git", ["clone", "-q", from, source], { timeout: 60_000 });
    await run("git", ["-C", source, "checkout", "-q", commit], { timeout: 60_000 });
  } catch {
    await rm(source, { recursive: true, force: true });
    throw new Error(`its sources could not be fetched from ${from}: name a clone of ${sources} in ${ownSources}`);
  }
}
