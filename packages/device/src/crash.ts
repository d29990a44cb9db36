import type { Readable } from "node:stream";
import type { CrashKind } from "@tenfold/contracts";
import { deviceProblems } from "./errors.ts";
import { ask, type DeviceServer, type Identity, readBody } from "./https.ts";

/** What a device leaves behind when it crashes, and which boot of which firmware left it (docs/operate/crash-evidence.md). */
export type CrashArtifact = {
  readonly kind: CrashKind;
  /** Of exactly the bytes that `open` gives: what the platform has already is not taken twice. */
  readonly sha256: string;
  readonly size: number;
  readonly bootId?: string;
  readonly version?: string;
  readonly build?: string;
  open(): Readable;
};

export type CrashWish = {
  readonly server: DeviceServer;
  readonly identity: Identity;
  readonly artifact: CrashArtifact;
  readonly signal?: AbortSignal | undefined;
};

const idleMs = 15_000;
const answerBytes = 64 * 1_024;

/**
 * Sends one artifact: `stored` is durable there, `refused` will never be taken (too large, unreadable). Safe to repeat. Throws
 * `crash_not_taken`, with `retryAfterS` where the platform says when to come again.
 */
export async function sendCrash({ server, identity, artifact, signal }: CrashWish): Promise<"stored" | "refused"> {
  const { kind, sha256, size, bootId, version, build } = artifact;
  const headers = {
    "Content-Type": "application/octet-stream",
    "Content-Length": size,
    "Tenfold-Sha256": sha256,
    ...(bootId === undefined ? {} : { "Tenfold-Boot": bootId }),
    ...(version === undefined ? {} : { "Tenfold-Firmware": version }),
    ...(build === undefined ? {} : { "Tenfold-Build": build }),
  };
  const wish = { server, identity, path: `/v1/crash/${kind}`, method: "PUT", headers, idleMs, signal } as const;
  const answer = await ask({ ...wish, body: artifact.open() }).catch((cause: unknown) => {
    throw deviceProblems.crash_not_taken(`The ${kind} could not be sent.`, { cause });
  });
  const status = answer.statusCode ?? 0;
  const retryAfter = Number(answer.headers["retry-after"]);
  await readBody(answer, answerBytes).catch(() => {});
  if (status === 200) return "stored";
  if (status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status)) return "refused";
  throw deviceProblems.crash_not_taken(`The ${kind} was answered with ${status}.`, {
    ...(retryAfter > 0 ? { retryAfterS: retryAfter } : {}),
  });
}
