import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { parseDuration } from "@tenfold/base";
import { type ProfileName, profiles } from "./fleet/weather.ts";

/** A wrong argument: printed as one line, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export type Where = {
  api: string;
  token: string;
  deviceUrl: string;
  mqttUrl: string;
  ca: string;
  releaseKeys: string | undefined;
  tufRoots: string | undefined;
};

export type FleetArguments = Where & {
  command: "start" | "replay";
  devices: number;
  seed: number;
  state: string;
  model: string;
  version: string;
  prefix: string;
  heartbeatMs: number;
  telemetryMs: number;
  profile: ProfileName;
  wrongClocks: number;
  jsonl: boolean;
  /** `replay`: the recording, and how many times faster than it was recorded; undefined means as fast as possible. */
  file: string | undefined;
  speed: number | undefined;
  limit: number | undefined;
};

export type FirmwareArguments = { command: "firmware"; version: string; size: number; out: string; shares: Record<string, number> };

const text = { type: "string" } as const;
const or = <const Value extends string>(value: Value) => ({ type: "string", default: value }) as const;
const flags = {
  devices: or("200"),
  seed: or("7"),
  api: or("http://127.0.0.1:8080"),
  "token-file": or("data/admin-token"),
  "device-url": or("https://localhost:8443"),
  "mqtt-url": or("mqtts://localhost:8883"),
  ca: or("data/pki/ca.pem"),
  "release-keys": text,
  "tuf-roots": text,
  state: or("data/simulator"),
  model: or("sim-1"),
  "firmware-version": or("1.0.0"),
  prefix: text,
  heartbeat: or("5s"),
  telemetry: or("2s"),
  profile: or("good"),
  "wrong-clocks": or("0%"),
  jsonl: { type: "boolean", default: false },
  speed: text,
  limit: text,
} as const;

const firmwareFlags = {
  version: text,
  size: text,
  out: text,
  bricks: text,
  "crash-loops": text,
  "falls-back": text,
  "weak-network": text,
  lies: text,
} as const;

export function readFleetArguments(command: "start" | "replay", args: string[]): FleetArguments {
  const { values, positionals } = parsed(() =>
    parseArgs({ args, options: flags, allowPositionals: command === "replay", strict: true }),
  );
  const file = positionals[0];
  if (command === "replay" && (file === undefined || positionals.length > 1))
    throw new UsageError("replay takes one recording: replay FILE");
  const profile = values.profile;
  if (!isProfile(profile)) throw new UsageError(`--profile is one of: ${Object.keys(profiles).join(", ")}`);
  return {
    command,
    api: values.api,
    token: readText(values["token-file"], "--token-file").trim(),
    deviceUrl: values["device-url"],
    mqttUrl: values["mqtt-url"],
    ca: readText(values.ca, "--ca"),
    tufRoots: optional(values["tuf-roots"], (path) => readText(path, "--tuf-roots")),
    releaseKeys: optional(values["release-keys"], (path) => readText(path, "--release-keys")),
    devices: whole(values.devices, "--devices"),
    seed: whole(values.seed, "--seed"),
    state: values.state,
    model: values.model,
    version: values["firmware-version"],
    prefix: values.prefix ?? (command === "replay" ? "replay" : "sim"),
    heartbeatMs: duration(values.heartbeat, "--heartbeat"),
    telemetryMs: duration(values.telemetry, "--telemetry"),
    profile,
    wrongClocks: shareOf(values["wrong-clocks"], "--wrong-clocks"),
    jsonl: values.jsonl,
    file,
    speed: optional(values.speed, (value) => positive(value, "--speed")),
    limit: optional(values.limit, (value) => whole(value, "--limit")),
  };
}

export function readFirmwareArguments(args: string[]): FirmwareArguments {
  const { values } = parsed(() => parseArgs({ args, options: firmwareFlags, strict: true }));
  if (values.version === undefined || values.out === undefined) throw new UsageError("firmware needs --version and --out");
  const shares = Object.entries({
    bricks: values.bricks,
    crashLoops: values["crash-loops"],
    fallsBack: values["falls-back"],
    weakNetwork: values["weak-network"],
    lies: values.lies,
  });
  const given = shares.flatMap(([name, value]) => (value === undefined ? [] : [[name, shareOf(value, name)] as const]));
  return {
    command: "firmware",
    version: values.version,
    size: whole(values.size ?? "262144", "--size"),
    out: values.out,
    shares: Object.fromEntries(given),
  };
}

const optional = <T>(value: string | undefined, read: (value: string) => T): T | undefined =>
  value === undefined ? undefined : read(value);

function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function readText(path: string, flag: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new UsageError(`${flag}: ${path} cannot be read. Start the platform first, or name the file.`, { cause });
  }
}

const isProfile = (name: string): name is ProfileName => Object.hasOwn(profiles, name);

function whole(value: string, flag: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new UsageError(`${flag} is a whole number, not ${value}`);
  return Number(value);
}

function positive(value: string, flag: string): number {
  const number = Number(value.replace(/x$/, ""));
  if (!(number > 0)) throw new UsageError(`${flag} is a number above 0, not ${value}`);
  return number;
}

function duration(value: string, flag: string): number {
  const length = parseDuration(value);
  if (length === undefined || length < 100) throw new UsageError(`${flag} is a length of time such as 5s or 500ms, not ${value}`);
  return length;
}

/** `0.2` or `20%`. */
function shareOf(value: string, name: string): number {
  const number = value.endsWith("%") ? Number(value.slice(0, -1)) / 100 : Number(value);
  if (!(number >= 0 && number <= 1)) throw new UsageError(`${name} is a share from 0 to 1, not ${value}`);
  return number;
}
