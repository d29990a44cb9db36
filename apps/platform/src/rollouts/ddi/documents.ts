import { hash32 } from "@tenfold/base";
import { type Action, type Agenda, windowOf } from "./agenda.ts";

/** Where a device's resources stand: `https://host/fleet/controller/v1/device`, as the device itself addressed them. */
export type Base = string;

export type Digest = { sha1: string; md5: string; suffix: string };

/** [DDI 3.2] Exactly eight characters, `HH:MM:SS`. Spread by the device's name, so that a fleet that was restarted at once does not stay in step. */
export function sleepOf(device: string, pollMs: number): string {
  const jitter = pollMs < 10_000 ? 1 : 0.9 + (hash32(`ddi/${device}`) / 2 ** 32) * 0.2;
  const s = Math.min(86_399, Math.max(1, Math.round((pollMs * jitter) / 1_000)));
  return [s / 3_600, (s / 60) % 60, s % 60].map((part) => String(Math.floor(part)).padStart(2, "0")).join(":");
}

type Poll = { base: Base; now: number; sleep: string; agenda: Agenda; installed?: number | undefined; attributes: "ask" | "known" };

/** The poll document: how long to sleep, and links to at most one thing to do. */
export function pollDocument({ base, now, sleep, agenda, installed, attributes }: Poll) {
  return {
    config: { polling: { sleep } },
    _links: {
      ...(agenda.is === "deploy"
        ? { deploymentBase: { href: `${base}/deploymentBase/${agenda.action.action}?c=${meaningOf(agenda.action, now)}` } }
        : {}),
      ...(agenda.is === "cancel" ? { cancelAction: { href: `${base}/cancelAction/${agenda.action.action}` } } : {}),
      ...(installed === undefined ? {} : { installedBase: { href: `${base}/installedBase/${installed}` } }),
      ...(attributes === "ask" ? { configData: { href: `${base}/configData` } } : {}),
    },
  };
}

/** Changes when the action begins to mean something else. */
const meaningOf = (action: Action, now: number): number =>
  hash32(`${action.deployment}/${action.cancelRefusedAt === undefined ? "forced" : "past-cancel"}/${windowOf(action, now) ?? ""}`);

export const cancelDocument = (action: number) => ({ id: String(action), cancelAction: { stopId: String(action) } });

type Deploying = { base: Base; now: number; action: Action; name: string; size: number; digest: Digest; messages: number };

/** The deployment document: one chunk with one artifact, which every client takes [DDI 4.3]. */
export function deploymentDocument({ base, now, action, name, size, digest, messages }: Deploying) {
  const window = windowOf(action, now);
  const kept = messages > 0 ? action.messages.slice(-messages) : [];
  return {
    id: String(action.action),
    deployment: {
      download: "forced",
      // [DDI 4.8]
      update: window === "unavailable" ? "skip" : "forced",
      ...(window === undefined ? {} : { maintenanceWindow: window }),
      chunks: [{ part: "bApp", version: action.version, name, artifacts: [artifactOf({ base, action, name, size, digest })] }],
    },
    ...(messages === 0 ? {} : { actionHistory: { status: "RUNNING", messages: kept } }),
  };
}

/** [DDI 4.4] Both names of the link, all three hashes, the size as an integer. */
export function artifactOf({ base, action, name, size, digest }: Omit<Deploying, "messages" | "now">) {
  const filename = fileNameOf({ name, version: action.version, suffix: digest.suffix });
  const href = `${base}/softwaremodules/${action.action}/artifacts/${filename}`;
  return {
    filename,
    size,
    hashes: { sha1: digest.sha1, md5: digest.md5, sha256: action.sha256 },
    _links: {
      download: { href },
      "download-http": { href },
      md5sum: { href: `${href}.MD5SUM` },
      "md5sum-http": { href: `${href}.MD5SUM` },
    },
  };
}

/** A name that every client can put into a path and that needs no escaping in a URL; short, because Zephyr keeps 199 characters of the path [DDI 2.2]. */
export function fileNameOf({ name, version, suffix }: { name: string; version: string; suffix: string }): string {
  const plain = (text: string) => text.replace(/[^A-Za-z0-9._-]/g, "-");
  return `${plain(name).slice(0, 31)}-${plain(version).slice(0, 31)}${suffix}`;
}

const kinds: readonly [magic: string, suffix: string][] = [
  ["303730373031", ".swu"], // cpio newc: SWUpdate
  ["303730373032", ".swu"], // cpio crc
  ["68737173", ".raucb"], // SquashFS: RAUC
  ["3db8f396", ".signed.bin"], // MCUboot
];

/** What kind of file it is, by its first bytes: SWUpdate refuses every name that does not end in `.swu`. */
export const suffixOf = (head: Uint8Array): string => {
  const hex = Buffer.from(head).toString("hex");
  return kinds.find(([magic]) => hex.startsWith(magic))?.[1] ?? ".bin";
};

/** [DDI 4.1] A parser of Zephyr fails on numbers whose digits after the first are all zero. */
export const isUsableNumber = (action: number): boolean => !/^[1-9]0+$/.test(String(action));
