import { deepestJson, isNestedDeeper, type Json } from "@tenfold/base";

/** A JSON merge patch (RFC 7396) that a device sent about itself; `at` in ms, the server's clock. */
export type ReportedPatch = { device: string; at: number; patch: Json };

export const largestState = 64 * 1024;

/** Reads the payload of `state/reported`. */
export function readReportedPatch(payload: Buffer): { is: "ok"; value: Json } | { is: "refused"; because: string; detail: string } {
  const refused = (because: string, detail: string) => ({ is: "refused", because, detail }) as const;
  if (payload.length > largestState) return refused("too_large", `A state patch has at most ${largestState} bytes.`);
  if (isNestedDeeper(payload)) return refused("too_deep", `A state patch is nested at most ${deepestJson} levels deep.`);
  try {
    const value: unknown = JSON.parse(payload.toString("utf8"));
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return refused("not_an_object", "A state patch is a JSON object.");
    // PostgreSQL's jsonb can hold neither.
    if (/\\u0000|\\ud[89a-f]/i.test(JSON.stringify(value)))
      return refused("not_text", "A text in the patch holds NUL or half a surrogate pair.");
    return { is: "ok", value: value as Json }; // JSON.parse makes nothing else
  } catch {
    return refused("not_json", "A state patch is a JSON object.");
  }
}

/** RFC 7396: objects are merged, null removes, everything else replaces. */
export function mergePatch(state: Json, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const merged = new Map(Object.entries(isObject(state) ? state : {}));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key) ?? null, value));
  }
  return Object.fromEntries(merged);
}

const isObject = (value: Json): value is { readonly [key: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);
