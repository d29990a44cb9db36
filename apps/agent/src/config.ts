import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { describeError, parseDuration } from "@tenfold/base";
import { deviceIdPattern } from "@tenfold/contracts";
import { type DeviceRoots, type DeviceServer, parseDeviceRoots, type Slot } from "@tenfold/device";
import { type PublicKey, readPublicKey } from "@tenfold/ota";
import { kindOfKeyUri, openKeyStore, pathOfFileUri, readKeyUri } from "@tenfold/pki";
import { z } from "zod";
import type { Place } from "./crashes/places.ts";

/** What the agent was told. Files are read; lengths of time are milliseconds. */
export type AgentConfig = {
  readonly device: string;
  readonly model: string;
  readonly hardwareRevision: string | undefined;
  readonly https: DeviceServer;
  readonly mqtt: DeviceServer;
  readonly state: string;
  /** Where the operational keys are made: `pkcs11:token=…` or `tpm:`; in the state folder unless told otherwise. */
  readonly keys?: string;
  /** The manufacturer's identity, or a one-time code. Needed only until the first certificate is there. */
  readonly idevid: { readonly cert: string; readonly key: string } | { readonly cert: string; readonly keyUri: string } | undefined;
  readonly code: string | undefined;
  readonly trustedKeys: readonly PublicKey[];
  /** The first roots of the signed metadata; with them release keys count no more. */
  readonly roots?: DeviceRoots | undefined;
  readonly securityFloor: string | undefined;
  readonly firmwareVersion: string;
  readonly heartbeatMs: number;
  readonly telemetryMs: number;
  /** A program that judges new firmware: exit 0 within a minute is good. */
  readonly selfTest: string | undefined;
  readonly queueRows: number;
  /** Bytes a second that a download may take. */
  readonly downloadLimit?: number;
  /** What installs: file slots of the agent's own unless told otherwise. */
  readonly installer?: InstallerName;
  /** A boot loader outside of this process: its environment's two copies, and the slot that it started. */
  readonly boot?: { readonly env: readonly [string, string]; readonly slot: Slot };
  /** The boot loader's log. */
  readonly bootLog?: string;
  /** SWUpdate as it is called here, and the selection that writes a slot. */
  readonly swupdate?: { readonly command: string; readonly select: string };
  /** The D-Bus on which RAUC is; the system's unless told otherwise. */
  readonly bus?: string;
  /** The command that restarts the machine; without it the agent ends. */
  readonly reboot?: string;
  /** How long new firmware may take to prove itself. */
  readonly trialMs?: number;
  /** A command line that runs the image of the slot; `{image}` stands for its path. */
  readonly payload?: string;
  /** Where crashes leave files, and how much of each is sent. */
  readonly crashes?: { readonly places: readonly Place[]; readonly maxBytes: number };
};

const installerName = z.enum(["files", "rauc", "swupdate"]);
export type InstallerName = z.infer<typeof installerName>;

export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

const text = { type: "string" } as const;
const flags = {
  config: text,
  device: text,
  model: text,
  "hardware-revision": text,
  server: text,
  "mqtt-server": text,
  ca: text,
  state: text,
  "idevid-cert": text,
  "idevid-key": text,
  keys: text,
  code: text,
  "release-keys": text,
  "tuf-roots": text,
  "security-floor": text,
  "firmware-version": text,
  heartbeat: text,
  telemetry: text,
  "self-test": text,
  "queue-rows": text,
  payload: text,
  "download-limit": text,
  installer: text,
  swupdate: text,
  "swupdate-select": text,
  bus: text,
  "boot-env": text,
  "boot-slot": text,
  "boot-log": text,
  reboot: text,
  trial: text,
  cores: text,
  pstore: text,
  "boot-logs": text,
  "crash-max": text,
} as const;
type Key = Exclude<keyof typeof flags, "config">;

const defaults: Partial<Record<Key, string>> = {
  device: hostname(),
  model: "linux",
  state: "/var/lib/tenfold-agent",
  "firmware-version": "0.0.0",
  heartbeat: "30s",
  telemetry: "10s",
  "queue-rows": "100000",
  pstore: "/sys/fs/pstore",
  "crash-max": "16777216",
};

/** Flags over the file (`--config FILE`, a flat JSON object with the flags' names) over defaults. Throws ConfigError with the fix. */
export function readConfig(args: string[]): AgentConfig {
  const given = parse(args);
  const { config, ...values } = given;
  const settings: Partial<Record<Key, string>> = { ...defaults, ...(config === undefined ? {} : readFile(config)), ...values };
  const need = (key: Key): string => settings[key] ?? fail(`--${key} is missing.`);
  const file = (key: Key): string => readText(need(key), key);
  const ca = file("ca");
  const device = need("device");
  if (!deviceIdPattern.test(device)) fail(`--device ${device} cannot be a device's name: letters, digits and . _ : - only.`);
  const https = address(need("server"), "https:", "server");
  return {
    device,
    model: need("model"),
    hardwareRevision: settings["hardware-revision"],
    https: { url: https, ca },
    mqtt: { url: address(settings["mqtt-server"] ?? `mqtts://${new URL(https).hostname}:8883`, "mqtts:", "mqtt-server"), ca },
    state: resolve(need("state")),
    idevid: settings["idevid-cert"] === undefined ? undefined : { cert: file("idevid-cert"), ...idevidKey(need("idevid-key")) },
    ...(settings.keys === undefined || kindOfKeyUri(settings.keys) === "file" ? {} : { keys: keyPlace(settings.keys) }),
    code: settings.code,
    trustedKeys: settings["release-keys"] === undefined ? [] : publicKeys(file("release-keys")),
    roots: settings["tuf-roots"] === undefined ? undefined : readRoots(file("tuf-roots")),
    securityFloor: settings["security-floor"],
    firmwareVersion: need("firmware-version"),
    heartbeatMs: duration(need("heartbeat"), "heartbeat"),
    telemetryMs: duration(need("telemetry"), "telemetry"),
    selfTest: settings["self-test"],
    queueRows: whole(need("queue-rows"), "queue-rows"),
    ...firmwareSettings(settings),
    crashes: { places: crashPlaces(settings), maxBytes: whole(need("crash-max"), "crash-max") },
  };
}

function parse(args: string[]): Partial<Record<keyof typeof flags, string>> {
  try {
    return parseArgs({ args, options: flags, strict: true }).values;
  } catch (cause) {
    throw new ConfigError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Paths in a file are meant from the file's own folder. */
function readFile(path: string): Partial<Record<Key, string>> {
  const settings: Partial<Record<Key, string>> = {};
  const read: unknown = JSON.parse(readText(path, "config"));
  if (typeof read !== "object" || read === null) fail(`${path} must hold a JSON object.`);
  for (const [key, value] of Object.entries(read)) {
    if (!isKey(key)) fail(`${path}: there is no setting "${key}". Known: ${Object.keys(flags).join(", ")}.`);
    if (typeof value !== "string") fail(`${path}: ${key} must be a text.`);
    settings[key] = isPath(key) && kindOfKeyUri(value) === "file" ? resolve(dirname(path), pathOfFileUri(value)) : value;
  }
  return settings;
}

/** What was said about installing and running firmware. */
function firmwareSettings(settings: Partial<Record<Key, string>>): Partial<AgentConfig> {
  if (settings.installer === "swupdate" && settings["boot-env"] === undefined)
    fail("SWUpdate switches no slots: --installer swupdate needs --boot-env FILE,FILE and --boot-slot.");
  const { installer, swupdate, bus, reboot, payload, trial, "boot-env": env, "boot-log": log, "download-limit": limit } = settings;
  return {
    ...(limit === undefined ? {} : { downloadLimit: downloadLimit(limit) }),
    ...(installer === undefined ? {} : { installer: installerOf(installer) }),
    ...(swupdate === undefined ? {} : { swupdate: { command: swupdate, select: settings["swupdate-select"] ?? "stable,{slot}" } }),
    ...(bus === undefined ? {} : { bus }),
    ...(log === undefined ? {} : { bootLog: resolve(log) }),
    ...(env === undefined ? {} : { boot: bootOf(env, settings["boot-slot"]) }),
    ...(reboot === undefined ? {} : { reboot }),
    ...(trial === undefined ? {} : { trialMs: duration(trial, "trial") }),
    ...(payload === undefined ? {} : { payload }),
  };
}

/** Less would leave the connection silent for longer than the platform's side waits. */
const leastPerS = 16_384;

function downloadLimit(value: string): number {
  const limit = whole(value, "download-limit");
  return limit >= leastPerS ? limit : fail(`--download-limit must be at least ${leastPerS} bytes a second, not ${value}.`);
}

const installerOf = (value: string): InstallerName =>
  installerName.safeParse(value).data ?? fail(`--installer must be one of ${installerName.options.join(", ")}, not ${value}.`);

function bootOf(env: string, slot: string | undefined): NonNullable<AgentConfig["boot"]> {
  const [first, second, ...more] = env.split(",").map((path) => resolve(path));
  if (first === undefined || second === undefined || more.length > 0)
    fail("--boot-env names the two copies of the boot loader's environment: FILE,FILE.");
  if (slot !== "a" && slot !== "b") fail("--boot-slot is missing: the slot that the boot loader started, a or b.");
  return { env: [first, second], slot };
}

function crashPlaces(settings: Partial<Record<Key, string>>): Place[] {
  const kinds = { cores: "core", pstore: "pstore", "boot-logs": "bootlog" } as const;
  return (["cores", "pstore", "boot-logs"] as const).flatMap((key) => {
    const folder = settings[key];
    return folder === undefined ? [] : [{ kind: kinds[key], folder: resolve(folder) }];
  });
}

/** A file is read now; a key in a token or a TPM is asked for when it is needed. */
function idevidKey(value: string): { key: string } | { keyUri: string } {
  if (kindOfKeyUri(value) === "file") return { key: readText(pathOfFileUri(value), "idevid-key") };
  return { keyUri: checked("idevid-key", value, () => readKeyUri(value)) };
}

/** A place for keys is a whole token or TPM; the URI is read here, so that a wrong one stops the start. */
const keyPlace = (value: string): string => checked("keys", value, () => openKeyStore(value, { folder: "/" }));

function checked(key: Key, value: string, read: () => unknown): string {
  try {
    read();
    return value;
  } catch (cause) {
    throw new ConfigError(`--${key}: ${describeError(cause)}`, { cause });
  }
}

const isKey = (key: string): key is Key => key !== "config" && Object.hasOwn(flags, key);
const isPath = (key: Key): boolean =>
  ["ca", "state", "idevid-cert", "idevid-key", "release-keys", "tuf-roots", "self-test", "cores", "pstore", "boot-logs"].includes(
    key,
  );

/** What `tenfold tuf init` writes for devices: `{"image": root, "director": root}`. */
function readRoots(content: string): DeviceRoots {
  try {
    return parseDeviceRoots(content);
  } catch (cause) {
    throw new ConfigError("--tuf-roots holds no roots: give the roots.json that `tenfold tuf init` made.", { cause });
  }
}

function publicKeys(pem: string): PublicKey[] {
  const blocks = pem.match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g) ?? [];
  return blocks.length > 0 ? blocks.map(readPublicKey) : fail("--release-keys holds no public key in PEM form.");
}

function readText(path: string, key: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new ConfigError(`--${key}: ${path} cannot be read.`, { cause });
  }
}

function address(url: string, protocol: string, key: Key): string {
  if (!URL.canParse(url) || new URL(url).protocol !== protocol)
    fail(`--${key} must be an address such as ${protocol}//fleet.example:8443, not ${url}.`);
  return url;
}

const duration = (value: string, key: Key): number =>
  parseDuration(value) ?? fail(`--${key} must be a length of time such as 30s, not ${value}.`);
const whole = (value: string, key: Key): number =>
  /^\d{1,9}$/.test(value) ? Number(value) : fail(`--${key} must be a whole number, not ${value}.`);

function fail(message: string): never {
  throw new ConfigError(message);
}
