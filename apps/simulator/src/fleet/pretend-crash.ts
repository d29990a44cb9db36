import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { CrashArtifact } from "@tenfold/device";

/** What a pretend device's firmware said before it died. */
export type PretendCrash = { readonly bootId: string; readonly version: string; readonly build?: string };

/**
 * The last log lines of a crash. Alike on all devices but for the device's name, as one fault in one build is; so that the platform
 * groups them.
 */
export function crashArtifact(device: string, { bootId, version, build }: PretendCrash): CrashArtifact {
  const bytes = Buffer.from(
    `${device} firmware ${version} starts\nsensors found: 3\nTypeError: the pressure sensor answered nothing\n    at readPressure (pump.js:71:18)\n    at controlLoop (pump.js:24:5)\n    at main (pump.js:9:3)\n`,
  );
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const of = { bootId, version, ...(build === undefined ? {} : { build }) };
  return { kind: "log", sha256, size: bytes.length, ...of, open: () => Readable.from([bytes]) };
}

/** For the `events` topic. */
export const crashEvent = ({ bootId, version, build }: PretendCrash, at: number): string =>
  JSON.stringify({
    type: "crash",
    severity: "error",
    at: new Date(at).toISOString(),
    detail: { kind: "log", bootId, version, ...(build === undefined ? {} : { build }) },
  });
