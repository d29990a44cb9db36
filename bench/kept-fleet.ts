/**
 * A platform with enrolled devices, kept from run to run: `--keep=DIR`. Enrolling ten thousand devices takes minutes, and says nothing about messages or
 * connections. Without `--keep` the folder is a temporary one, and goes with the run.
 */
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePorts, type Platform, startPlatformProcess } from "../tools/faults/platform.ts";
import { type EnrolledDevice, enrollFleet } from "./fleet.ts";
import { option } from "./options.ts";

export type KeptFleet = AsyncDisposable & {
  devices: readonly EnrolledDevice[];
  /** The platform that runs now. */
  platform(): Platform;
  /** Ends the platform that runs and starts another on the same data folder and ports. */
  restart(by: "SIGTERM" | "SIGKILL", env: Record<string, string>): Promise<Platform>;
};

type Wish = { devices: number; env: Record<string, string>; nodeFlags?: string[] };

/** So that only the machine limits what a benchmark asks for. */
export const unlimited = {
  TENFOLD_LOG_LEVEL: "error",
  TENFOLD_DEVICE_MESSAGES_PER_SECOND: "1000000",
  TENFOLD_DEVICE_BURST: "1000000",
  TENFOLD_HANDSHAKES_PER_SECOND: "100000",
  TENFOLD_ENROLLMENT_REQUESTS_PER_MINUTE: "10000000",
};

/** So many devices, and a platform that knows them: started after the last enrollment, whose garbage is not the benchmark's. */
export async function openFleet({ devices: wanted, env, nodeFlags = [] }: Wish): Promise<KeptFleet> {
  const keep = option("keep", "");
  const dir = keep === "" ? await mkdtemp(join(tmpdir(), "tenfold-fleet-")) : resolve(keep);
  await mkdir(dir, { recursive: true });
  // The embedded database runs as a user of its own, who must be able to pass.
  await chmod(dir, 0o711);
  const ports = await freePorts();
  const start = (settings: Record<string, string>, flags: string[]) =>
    startPlatformProcess({
      ...{ dataDir: join(dir, "data"), ports, logFile: join(dir, "log"), readyMs: 120_000, wrap: [], nodeFlags: flags },
      env: settings,
    });
  const known = await readDevices(dir);
  if (known.length < wanted) {
    const enrolling = await start(unlimited, []);
    await enrollMore(enrolling, { dir, known, wanted });
    await enrolling.end("SIGTERM");
  }
  let platform = await start(env, nodeFlags);
  return {
    devices: known.slice(0, wanted),
    platform: () => platform,
    async restart(by, settings) {
      await platform.end(by);
      platform = await start(settings, nodeFlags);
      return platform;
    },
    async [Symbol.asyncDispose]() {
      await platform.end("SIGTERM");
      if (keep === "") await rm(dir, { recursive: true, force: true });
    },
  };
}

const fileIn = (dir: string) => join(dir, "fleet.json");
const atOnce = 500;

async function readDevices(dir: string): Promise<EnrolledDevice[]> {
  const text = await readFile(fileIn(dir), "utf8").catch(() => "[]");
  // Written below.
  return JSON.parse(text) as EnrolledDevice[];
}

async function enrollMore(
  platform: Platform,
  { dir, known, wanted }: { dir: string; known: EnrolledDevice[]; wanted: number },
): Promise<void> {
  const began = performance.now();
  while (known.length < wanted) {
    const many = Math.min(atOnce, wanted - known.length);
    known.push(...(await enrollFleet(platform, { prefix: `load${known.length}`, devices: many })));
    await writeFile(fileIn(dir), JSON.stringify(known));
    const seconds = Math.round((performance.now() - began) / 1_000);
    if (wanted > atOnce) console.log(`enrolled ${known.length} of ${wanted} devices after ${seconds} s`);
  }
}
