import { readFileSync } from "node:fs";
import { defineProblems, parseDuration } from "@tenfold/base";
import { LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { assertRoles, type Role, roles } from "./roles.ts";

export const configProblems = defineProblems({ config_invalid: 422 });

const port = z.coerce.number().int().min(0).max(65_535);
const duration = z.string().transform((text, context) => {
  const length = parseDuration(text);
  if (length === undefined) context.addIssue({ code: "custom", message: `"${text}" is not a duration such as 30s, 5m or PT5M` });
  return length ?? z.NEVER;
});
const list = z.union([
  z.array(z.string()),
  z.string().transform((text) =>
    text
      .split(",")
      .map((one) => one.trim())
      .filter(Boolean),
  ),
]);

const roleList = list.transform((names, context): readonly Role[] => {
  const unknown = names.find((name) => !roles.some((role) => role === name));
  if (unknown !== undefined)
    context.addIssue({ code: "custom", message: `"${unknown}" is not a role; there are ${roles.join(", ")}` });
  return roles.filter((role) => names.includes(role));
});

/** Every key of the configuration. `http.port` in YAML is `TENFOLD_HTTP_PORT` in the environment. */
const shape = {
  data: { schema: z.string().min(1), otherwise: "./data" },
  roles: { schema: roleList, otherwise: [...roles] },
  authority: { schema: z.enum(["keep", "ask"]).optional(), otherwise: undefined },
  "http.port": { schema: port, otherwise: 8080 },
  "http.host": { schema: z.string().min(1), otherwise: "127.0.0.1" },
  "public.url": { schema: z.url().optional(), otherwise: undefined },
  "device.host": { schema: z.string().min(1), otherwise: "0.0.0.0" },
  "device.https.port": { schema: port, otherwise: 8443 },
  "mqtt.port": { schema: port, otherwise: 8883 },
  "device.hostnames": { schema: list, otherwise: [] },
  "database.url": { schema: z.string().min(1).optional(), otherwise: undefined },
  "clickhouse.url": { schema: z.url().optional(), otherwise: undefined },
  "blobs.dir": { schema: z.string().min(1).optional(), otherwise: undefined },
  "s3.endpoint": { schema: z.url().optional(), otherwise: undefined },
  "s3.bucket": { schema: z.string().min(3).max(63).optional(), otherwise: undefined },
  "s3.region": { schema: z.string().min(1), otherwise: "us-east-1" },
  "s3.access.key": { schema: z.string().min(1).optional(), otherwise: undefined },
  "s3.secret": { schema: z.string().min(1).optional(), otherwise: undefined },
  "nats.url": { schema: z.string().min(1).optional(), otherwise: undefined },
  "nats.credentials": { schema: z.string().min(1).optional(), otherwise: undefined },
  "nats.ca": { schema: z.string().min(1).optional(), otherwise: undefined },
  "nats.prefix": { schema: z.string().regex(/^[A-Za-z0-9_-]{1,32}$/), otherwise: "tenfold" },
  "nats.replicas": { schema: z.coerce.number().int().min(1).max(5), otherwise: 1 },
  "nats.sync": { schema: z.enum(["verified", "trusted"]), otherwise: "verified" },
  "nats.monitor.url": { schema: list, otherwise: [] },
  "log.level": { schema: z.enum(["debug", "info", "warn", "error", "silent"]), otherwise: "info" },
  "artifact.max.bytes": { schema: z.coerce.number().int().min(1), otherwise: 2_147_483_648 },
  "artifact.check": { schema: duration, otherwise: "7d" },
  "artifact.check.bytes.per.second": { schema: z.coerce.number().int().min(65_536), otherwise: 16_777_216 },
  "upload.quota.bytes": { schema: z.coerce.number().int().min(1), otherwise: 8_589_934_592 },
  "upload.lifetime": { schema: duration, otherwise: "24h" },
  "crash.max.bytes": { schema: z.coerce.number().int().min(1), otherwise: 67_108_864 },
  "crash.keep": { schema: duration, otherwise: "90d" },
  "journal.max.bytes": { schema: z.coerce.number().int().min(1_048_576), otherwise: 4_294_967_296 },
  "mqtt.max.connections": { schema: z.coerce.number().int().min(1), otherwise: 60_000 },
  "handshakes.per.second": { schema: z.coerce.number().int().min(1), otherwise: 300 },
  "device.messages.per.second": { schema: z.coerce.number().int().min(1), otherwise: 100 },
  "device.burst": { schema: z.coerce.number().int().min(1), otherwise: 1_000 },
  "device.metrics": { schema: z.coerce.number().int().min(1), otherwise: 500 },
  "metadata.keys": { schema: z.string().min(1), otherwise: "file:" },
  "ddi.polling": { schema: duration, otherwise: "1m" },
  "rollout.tick": { schema: duration, otherwise: "1s" },
  "ca.key": { schema: z.string().min(1).optional(), otherwise: undefined },
  "ca.pin": { schema: z.string().min(1).optional(), otherwise: undefined },
  "certificate.lifetime": { schema: duration, otherwise: "30d" },
  "certificate.grace": { schema: duration, otherwise: "30d" },
  "rotation.within": { schema: duration, otherwise: "6h" },
  "enrollment.linking": { schema: z.enum(["optional", "required"]), otherwise: "optional" },
  "enrollment.requests.per.minute": { schema: z.coerce.number().int().min(1), otherwise: 60 },
  "clone.on.fork": { schema: z.enum(["quarantine", "note"]), otherwise: "quarantine" },
  "attestation.on.failure": { schema: z.enum(["quarantine", "note"]), otherwise: "note" },
  "clone.on.sign": { schema: z.enum(["quarantine", "note"]), otherwise: "note" },
  "device.public.url": { schema: z.url().optional(), otherwise: undefined },
} as const;

type Key = keyof typeof shape;
type Read<K extends Key> = z.output<(typeof shape)[K]["schema"]>;

export type Config = { readonly [K in Key]: Read<K> };

export type ConfigSources = {
  env: Readonly<Record<string, string | undefined>>;
  file?: { path: string; text: string };
  flags?: Readonly<Partial<Record<Key, string>>>;
};

/**
 * One configuration from a YAML file, the environment (which wins over it) and flags (which win over both). Unknown keys and
 * unreadable values are refused with the place where they stand and what would be right. `NAME_FILE` reads a secret from a file.
 */
export function readConfig({ env, file, flags = {} }: ConfigSources): Config {
  const found = new Map<Key, { value: unknown; where: string }>();
  if (file) for (const entry of fromYaml(file)) found.set(entry.key, entry);
  for (const entry of fromEnvironment(env)) found.set(entry.key, entry);
  for (const [key, value] of Object.entries(flags))
    if (value !== undefined) found.set(key as Key, { value, where: `the flag for ${key}` });
  const read = Object.entries(shape).map(([key, { schema, otherwise }]) => {
    const given = found.get(key as Key);
    const parsed = schema.safeParse(given === undefined ? otherwise : given.value);
    if (!parsed.success)
      throw configProblems.config_invalid(`${given?.where ?? key}: ${parsed.error.issues[0]?.message ?? "cannot be read"}`, {
        field: key,
      });
    return [key, parsed.data];
  });
  // Each key of `shape` was parsed by its own schema.
  const config = Object.fromEntries(read) as Config;
  assertRoles(config);
  return config;
}

/** The configuration file that the flags or the environment name, read; undefined when they name none. */
export function readConfigFile(path: string | undefined): ConfigSources["file"] {
  if (path === undefined) return undefined;
  try {
    return { path, text: readFileSync(path, "utf8") };
  } catch (cause) {
    throw configProblems.config_invalid(`The configuration file ${path} cannot be read.`, {
      cause,
      fix: "Name another with --config or TENFOLD_CONFIG, or leave it out.",
    });
  }
}

type Entry = { key: Key; value: unknown; where: string };

function fromYaml({ path, text }: { path: string; text: string }): Entry[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [broken] = document.errors;
  if (broken) throw configProblems.config_invalid(`${path}:${lines.linePos(broken.pos[0]).line}: ${broken.message.split("\n")[0]}`);
  const entries: Entry[] = [];
  const visit = (node: unknown, trail: string[], offset: number): void => {
    const where = `${path}:${lines.linePos(offset).line}`;
    const name = trail.join(".");
    if (isMap(node) && !(name in shape)) {
      for (const { key, value } of node.items) visit(value, [...trail, String(key.value)], key.range?.[0] ?? offset);
    } else if (name in shape)
      entries.push({ key: name as Key, value: isPlain(node) ? node.toJSON() : undefined, where: `${where} (${name})` });
    else throw unknownKey(name, where);
  };
  if (document.contents !== null) visit(document.contents, [], 0);
  return entries;
}

type MapNode = { items: { key: { value: unknown; range?: [number, number, number] }; value: unknown }[] };
const isMap = (node: unknown): node is MapNode =>
  typeof node === "object" &&
  node !== null &&
  "items" in node &&
  Array.isArray(node.items) &&
  node.items.every((item: unknown) => typeof item === "object" && item !== null && "key" in item);
const isPlain = (node: unknown): node is { toJSON(): unknown } => typeof node === "object" && node !== null && "toJSON" in node;

/** Variables that other Tenfold programs read; the server leaves them alone. */
const others = new Set(["TENFOLD_URL", "TENFOLD_TOKEN", "TENFOLD_CONFIG", "TENFOLD_FLEET", "TENFOLD_SCALE"]);

function fromEnvironment(env: ConfigSources["env"]): Entry[] {
  const names = new Map(Object.keys(shape).map((key) => [`TENFOLD_${key.toUpperCase().replaceAll(".", "_")}`, key as Key]));
  return Object.entries(env).flatMap(([name, value]): Entry[] => {
    if (!name.startsWith("TENFOLD_") || name.startsWith("TENFOLD_TEST_") || others.has(name) || value === undefined) return [];
    const key = names.get(name);
    if (key !== undefined) return [{ key, value, where: name }];
    const fromFile = names.get(name.replace(/_FILE$/, ""));
    if (fromFile !== undefined) return [{ key: fromFile, value: readConfigFile(value)?.text.trim(), where: name }];
    throw unknownKey(name, "the environment", [...names.keys()]);
  });
}

function unknownKey(name: string, where: string, known: string[] = Object.keys(shape)): Error {
  const nearest = known.toSorted((a, b) => distance(a, name) - distance(b, name))[0];
  return configProblems.config_invalid(`${where}: "${name}" is not a setting.`, {
    field: name,
    fix: `Did you mean "${nearest}"? All settings: ${known.join(", ")}.`,
  });
}

/** Levenshtein distance, for "did you mean". */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length] ?? 0;
}
