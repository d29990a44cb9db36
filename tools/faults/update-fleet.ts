import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { api } from "@tenfold/contracts";
import type { Stage } from "./fault.ts";
import type { Platform } from "./platform.ts";

const run = promisify(execFile);

export type UpdateFleet = {
  /** Makes an image, signs it, uploads it and registers its release. `bricks`: the share of devices that it silences. */
  publish(release: { version: string; bricks?: number }): Promise<void>;
  stop(): Promise<void>;
};

/** A simulated fleet in a process of its own that takes updates, and a key that signs them; resolves when all its devices are online. */
export async function startUpdateFleet(stage: Stage, platform: Platform, devices: number): Promise<UpdateFleet> {
  const key = join(stage.dir, "release-key.pem");
  const tenfold = (...words: string[]) => node("cli", ["--data", platform.dataDir, ...words]);
  await tenfold("artifact", "key", key);
  await tenfold("release", "trust", `${key}.pub`);
  const words = [
    "start",
    "--devices",
    String(devices),
    "--heartbeat",
    "1s",
    "--telemetry",
    "5s",
    "--state",
    join(stage.dir, "fleet"),
  ];
  const child = spawn(
    process.execPath,
    ["apps/simulator/src/main.ts", ...words, ...whereabouts(platform), "--release-keys", `${key}.pub`],
    {
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  stage.onEnd(stop);
  for (const deadline = Date.now() + 60_000; ; await wait(250)) {
    const { items } = await platform.client.call(api.listDevices, { query: { filter: "model:sim-1", limit: devices } });
    if (items.filter(({ connectivity }) => connectivity.is === "online").length === devices) break;
    if (Date.now() > deadline) throw new Error(`Only ${items.length} of ${devices} simulated devices came online.`);
  }
  return {
    stop,
    async publish({ version, bricks }) {
      const image = join(stage.dir, `image-${version}.bin`);
      const shares = bricks === undefined ? [] : ["--bricks", String(bricks)];
      await node("simulator", ["firmware", "--version", version, "--size", "65536", "--out", image, ...shares]);
      await tenfold("release", "create", image, "--key", key, "--name", "fault", "--version", version);
    },
  };
}

const whereabouts = ({ url, deviceUrl, mqttPort, ca, dataDir }: Platform): string[] => [
  ...["--api", url, "--device-url", deviceUrl, "--mqtt-url", `mqtts://localhost:${mqttPort}`],
  ...["--ca", ca, "--token-file", join(dataDir, "admin-token")],
];

const node = (app: string, words: string[]) => run(process.execPath, [`apps/${app}/src/main.ts`, ...words], { timeout: 60_000 });
