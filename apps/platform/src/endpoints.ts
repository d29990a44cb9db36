import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { defineProblems } from "@tenfold/base";
import { type Role, roles } from "./roles.ts";

export const endpointProblems = defineProblems({ port_taken: 503 });

/** The devices' doors only where the process has them. */
export type Endpoints = { url: string; deviceUrl?: string; mqttUrl?: string };

/** Listens, or says in words which setting names the port that somebody else holds. */
export async function listening<Bound>(what: { setting: string; port: number }, listen: () => Promise<Bound>): Promise<Bound> {
  try {
    return await listen();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE") throw cause;
    const variable = `TENFOLD_${what.setting.toUpperCase().replaceAll(".", "_")}`;
    throw endpointProblems.port_taken(`Port ${what.port} is in use by another program.`, {
      cause,
      field: what.setting,
      fix: `Stop that program, or choose another port with ${variable}.`,
    });
  }
}

/** Tells programs on this machine where the server listens. Gone again when it stops. */
export async function announceEndpoints(dataDir: string, endpoints: Endpoints): Promise<() => Promise<void>> {
  const path = join(dataDir, "server.json");
  // Whole or not at all: whoever waits for it reads it the moment it appears.
  await writeFile(`${path}.new`, `${JSON.stringify({ ...endpoints, pid: process.pid }, null, 2)}\n`);
  await rename(`${path}.new`, path);
  return () => rm(path, { force: true });
}

type Ways = { endpoints: Endpoints; roles: readonly Role[]; setUpUrl: string | undefined; dataDir: string };

/** What to print: name and address of each way in. */
export function waysIn({ endpoints: { url, deviceUrl, mqttUrl }, roles: mine, setUpUrl, dataDir }: Ways): Record<string, string> {
  const people = mine.includes("api") ? { console: url } : { "health, metrics": url };
  const ways: Record<string, string | undefined> = {
    ...people,
    "first sign-in": setUpUrl && `${setUpUrl} (once)`,
    "operator API": mine.includes("api") ? `${url}/api/v1` : undefined,
    "device HTTPS, EST": deviceUrl,
    "device MQTT": mqttUrl,
    roles: mine.length === roles.length ? undefined : mine.join(", "),
    "data folder": dataDir,
  };
  return Object.fromEntries(Object.entries(ways).flatMap(([name, way]) => (way === undefined ? [] : [[name, way]])));
}

/** The ports at which devices come in, where they do. */
export const portsOf = ({ deviceUrl, mqttUrl }: Endpoints): { https: number; mqtt: number } | undefined =>
  deviceUrl === undefined || mqttUrl === undefined ? undefined : { https: portOf(deviceUrl), mqtt: portOf(mqttUrl) };

const portOf = (url: string): number => Number(/:(\d+)$/.exec(url)?.[1]);
