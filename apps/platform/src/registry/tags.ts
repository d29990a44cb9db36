import { registryProblems } from "./errors.ts";

/** A null removes the tag. */
export type TagChanges = Record<string, string | null>;

const mostTags = 64;

/** The tags after a change. Throws when there would be too many, or one holds what the database cannot. */
export function mergeTags(tags: Readonly<Record<string, string>>, changes: TagChanges): Record<string, string> {
  const merged = new Map(Object.entries(tags));
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) merged.delete(key);
    else merged.set(key, checkedValue(key, value));
  }
  if (merged.size > mostTags)
    throw registryProblems.too_many_tags(`A device has at most ${mostTags} tags; this makes ${merged.size}.`, { field: "tags" });
  return Object.fromEntries(merged);
}

function checkedValue(key: string, value: string): string {
  if (/[\p{Cc}\p{Cs}]/u.test(value))
    throw registryProblems.tag_invalid(`The value of tag "${key}" holds a control character.`, { field: `tags.${key}` });
  return value;
}
