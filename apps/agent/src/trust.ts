import { join } from "node:path";
import { type DeviceServer, refreshTrust, type TrustBundle, takeTrust } from "@tenfold/device";
import { readOptionalFile, writeFileAtomically } from "@tenfold/pki";
import { z } from "zod";

const kept = z.strictObject({ configured: z.string(), ca: z.string(), roots: z.array(z.string()) });

/** Which roots this device believes: at first the configured file, later what the platform said under a root that was believed. */
export type Trust = {
  /** The endpoint with the roots that are believed now. */
  server(endpoint: DeviceServer): DeviceServer;
  /** For heartbeats: SHA-256 of each root. */
  roots(): string[];
  /** Asks the platform anew and keeps what it says; `now` in milliseconds. Throws as `fetchCaCerts`. */
  refresh(now: number): Promise<void>;
};

/**
 * Opens `trust.json` in the agent's folder. It counts only as long as the configured file is the one that it began with: a person who gives
 * the device another one means that.
 */
export async function openTrust(folder: string, server: DeviceServer): Promise<Trust> {
  const path = join(folder, "trust.json");
  const text = await readOptionalFile(path);
  const found = text === undefined ? undefined : kept.safeParse(JSON.parse(text)).data;
  let bundle: TrustBundle =
    found?.configured === server.ca
      ? { ca: found.ca, roots: found.roots }
      : { ca: server.ca, roots: takeTrust(server.ca, server.ca, Date.now()).roots };
  return {
    server: (endpoint) => ({ ...endpoint, ca: bundle.ca }),
    roots: () => [...bundle.roots],
    async refresh(now) {
      const next = await refreshTrust({ ...server, ca: bundle.ca }, { now });
      if (next.ca === bundle.ca) return;
      await writeFileAtomically(path, `${JSON.stringify({ configured: server.ca, ...next })}\n`, 0o600);
      bundle = next;
    },
  };
}
