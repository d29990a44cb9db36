import { z } from "zod";
import { storable } from "./feedback.ts";

export type Attributes = Readonly<Record<string, string>>;
/** A configData of a device: what to do with what was told before, and what it tells now. */
export type ConfigData = { mode: "merge" | "replace" | "remove"; data: Attributes };

/** [DDI 7.4] As many as hawkBit keeps. */
const mostAttributes = 100;
const longestKey = 128;
const longestValue = 1_024;

const shape = z.object({
  mode: z.enum(["merge", "replace", "remove"]).nullish(),
  data: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
});

/** Reads a configData; undefined when it is none. Unknown fields are left alone. */
export function readConfigData(body: string): ConfigData | undefined {
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch {
    return undefined;
  }
  const parsed = shape.safeParse(document);
  if (!parsed.success) return undefined;
  const told = Object.entries(parsed.data.data).flatMap(([key, value]): [string, string][] =>
    key === "" || value === null
      ? []
      : [[storable(key).slice(0, longestKey).toWellFormed(), storable(String(value)).slice(0, longestValue).toWellFormed()]],
  );
  return { mode: parsed.data.mode ?? "merge", data: Object.fromEntries(told) };
}

/** What is known of a device after a configData; undefined when that would be too many. */
export function mergeAttributes(known: Attributes, { mode, data }: ConfigData): Attributes | undefined {
  const merged = new Map(mode === "replace" ? [] : Object.entries(known));
  for (const [key, value] of Object.entries(data)) {
    if (mode === "remove") merged.delete(key);
    else merged.set(key, value);
  }
  return merged.size > mostAttributes ? undefined : Object.fromEntries(merged);
}

/** The JSON merge patch that makes the reported state say the same. */
export const patchOf = (before: Attributes, after: Attributes): Record<string, string | null> => ({
  ...Object.fromEntries(
    Object.keys(before)
      .filter((key) => !(key in after))
      .map((key) => [key, null]),
  ),
  ...after,
});

/** What a client says about what runs now. */
export type Told = { version?: string; bootId?: string; model?: string; hardwareRevision?: string };

/** [DDI 7.2] The names under which clients tell it, best first. */
const names = {
  version: ["firmware_version", "fw_version", "sw_version", "version"],
  bootId: ["boot_id"],
  model: ["model", "device_model"],
  hardwareRevision: ["hardware_revision", "hw_revision", "hw_version"],
} as const;

/** Only what stands in this configData: what was told before says nothing about now. */
export function toldIn({ mode, data }: ConfigData): Told {
  const told: Told = {};
  if (mode === "remove") return told;
  for (const key of ["version", "bootId", "model", "hardwareRevision"] as const) {
    const name = names[key].find((one) => (data[one]?.trim() ?? "") !== "");
    if (name !== undefined) told[key] = (data[name] ?? "").trim().slice(0, 64).toWellFormed();
  }
  return told;
}

/** The client's starts as far as they were seen. */
export type Starts = { starts: number; bootId?: string; version?: string };

/**
 * Whether this configData shows a client that began anew. A `boot_id` decides where there is one; otherwise another version does, and one
 * that nobody asked for, because clients tell themselves only when they start [DDI 8.3].
 */
export function seeStart(known: Starts, told: Told, asked: "asked" | "unasked"): Starts {
  const began =
    told.bootId === undefined
      ? asked === "unasked" || (told.version !== undefined && told.version !== known.version)
      : told.bootId !== known.bootId;
  const { bootId = known.bootId, version = known.version } = told;
  return {
    starts: known.starts + (began ? 1 : 0),
    ...(bootId === undefined ? {} : { bootId }),
    ...(version === undefined ? {} : { version }),
  };
}

/** The boot's name in the registry: the device's own, or one made of the starts that were seen. */
export const bootNameOf = ({ starts, bootId }: Starts): string => bootId ?? `ddi-start-${starts}`;
