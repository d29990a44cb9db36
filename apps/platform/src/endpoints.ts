import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { defineProblems } from "@tenfold/base";

export const endpointProblems = defineProblems({ port_taken: 503 });

export type Endpoints = { url: string; deviceUrl: string; mqttUrl: string };

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
  await writeFile(path, `${JSON.stringify({ ...endpoints, pid: process.pid }, null, 2)}\n`);
  return () => rm(path, { force: true });
}
