import { deepestJson } from "@tenfold/base";

/** Whether a parsed body nests deeper than schemas may walk into it. Level by level, so that no depth can overflow this. */
export function isBodyTooDeep(body: unknown): boolean {
  let level: unknown[] = [body];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > deepestJson) return true;
    level = level.flatMap((value) =>
      typeof value === "object" && value !== null && !Buffer.isBuffer(value) ? nestedIn(value) : [],
    );
  }
  return false;
}

const nestedIn = (value: object): unknown[] => Object.values(value).filter((inner) => typeof inner === "object" && inner !== null);
