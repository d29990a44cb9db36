import { createHash } from "node:crypto";
import type { DelegatedRole } from "./metadata.ts";

/** [TUF 5.6.7.1] At most so many roles are asked for one target; a circle of delegations ends sooner. */
export const mostRolesVisited = 32;

/** Whether a delegation covers a target's path [TUF 4.5]. */
export function covers({ paths, pathHashPrefixes }: Pick<DelegatedRole, "paths" | "pathHashPrefixes">, path: string): boolean {
  if (paths) return paths.some((pattern) => matches(pattern, path));
  const hash = createHash("sha256").update(path, "utf8").digest("hex");
  return pathHashPrefixes?.some((prefix) => prefix !== "" && hash.startsWith(prefix)) === true;
}

/** Shell patterns segment by segment: `*` and `?` stop at a slash. Linear for each segment, whatever a stranger writes. */
function matches(pattern: string, path: string): boolean {
  const [wanted, found] = [pattern.split("/"), path.split("/")];
  return wanted.length === found.length && wanted.every((segment, i) => segmentMatches(segment, found[i] ?? ""));
}

function segmentMatches(pattern: string, text: string): boolean {
  let [p, t, star, mark] = [0, 0, -1, 0];
  while (t < text.length) {
    if (p < pattern.length && pattern[p] === "*") [star, mark, p] = [p, t, p + 1];
    else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === text[t])) [p, t] = [p + 1, t + 1];
    else if (star >= 0) [p, mark, t] = [star + 1, mark + 1, mark + 1];
    else return false;
  }
  while (pattern[p] === "*") p += 1;
  return p === pattern.length;
}
