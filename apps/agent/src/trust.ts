import { join } from "node:path";
import { describeError, hours } from "@tenfold/base";
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
  /** Asks the platform anew when the last time is a day ago, or `now`. Never throws: the next time is soon enough. */
  refresh(when: "if_due" | "now"): Promise<void>;
};

const every = hours(24);

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
  let askedAt = Number.NEGATIVE_INFINITY;
  return {
    server: (endpoint) => ({ ...endpoint, ca: bundle.ca }),
    roots: () => [...bundle.roots],
    async refresh(when) {
      if (when === "if_due" && performance.now() < askedAt + every) return;
      askedAt = performance.now();
      try {
        const next = await refreshTrust({ ...server, ca: bundle.ca }, { now: Date.now() });
        if (next.ca === bundle.ca) return;
        await writeFileAtomically(path, `${JSON.stringify({ configured: server.ca, ...next })}\n`, 0o600);
        bundle = next;
      } catch (error) {
        // In an hour again.
        askedAt = performance.now() - every + hours(1);
        process.stderr.write(`${JSON.stringify({ event: "trust.not_refreshed", because: describeError(error) })}\n`);
      }
    },
  };
}
