import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type ApiClient, createClient } from "@tenfold/contracts";
import { readConfig } from "../src/config.ts";
import { createLog } from "../src/kernel/index.ts";
import { startPlatform } from "../src/platform.ts";
import type { Doors } from "./fleet.ts";
import { dataFolder } from "./folder.ts";

export type World = AsyncDisposable &
  Doors & {
    url: string;
    token: string;
    /** As the admin service account. */
    client: ApiClient;
    dataDir: string;
    /** What the log told, as objects. */
    logged: Record<string, unknown>[];
    /** Lets this much time pass for the platform; the devices' clocks stay. */
    pass(ms: number): void;
    /** What the platform's clock says. */
    now(): number;
  };

/** Free ports of this machine only. */
export const anyPorts = {
  TENFOLD_HTTP_PORT: "0",
  TENFOLD_DEVICE_HTTPS_PORT: "0",
  TENFOLD_MQTT_PORT: "0",
  TENFOLD_DEVICE_HOST: "127.0.0.1",
};

/** A whole platform in this process: real engines, real TLS, free ports; only its clock can be moved. */
export async function startWorld(env: Record<string, string> = {}): Promise<World> {
  const folder = await dataFolder();
  const logged: Record<string, unknown>[] = [];
  let ahead = 0;
  try {
    const platform = await startPlatform({
      config: readConfig({ env: { ...anyPorts, ...env }, flags: { data: folder.path } }),
      log: createLog({ level: "debug", write: (line) => logged.push(JSON.parse(line)) }),
      clock: { now: () => Date.now() + ahead },
      answers: "validate",
      processMetrics: "omit",
    });
    return {
      ...(await readDoors(folder.path)),
      dataDir: folder.path,
      logged,
      now: () => Date.now() + ahead,
      pass: (ms) => {
        ahead += ms;
      },
      async [Symbol.asyncDispose]() {
        await platform.stop();
        await folder[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

/** What a platform tells the programs of its machine: where it listens, whom devices trust, and the admin's token. */
export async function readDoors(dataDir: string): Promise<Doors & Pick<World, "url" | "token" | "client">> {
  const read = (...path: string[]) => readFile(join(dataDir, ...path), "utf8");
  const { url, deviceUrl, mqttUrl } = JSON.parse(await read("server.json"));
  const token = (await read("admin-token")).trim();
  const mqttPort = Number(new URL(mqttUrl.replace("mqtts:", "https:")).port);
  return { url, deviceUrl, mqttPort, ca: await read("pki", "ca.pem"), token, client: createClient({ baseUrl: url, token }) };
}
