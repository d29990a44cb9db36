/** What a request for bytes gets: everything, a part, nothing new, or a refusal. `end` is inclusive. */
export type Portion =
  | { is: "whole" }
  | { is: "part"; start: number; end: number }
  | { is: "not_modified" }
  | { is: "unsatisfiable" };

export type AskedBytes = { range: string | undefined; ifRange: string | undefined; ifNoneMatch: string | undefined };

export const etagOf = (sha256: string): string => `"${sha256}"`;

/**
 * Reads the conditions of a GET (RFC 9110 §13.2.2: If-None-Match before Range). A Range that is not understood, or that names several
 * parts, is ignored as §14.2 allows: the answer is then the whole.
 */
export function portionOf(
  { range, ifRange, ifNoneMatch }: AskedBytes,
  { sha256, size }: { sha256: string; size: number },
): Portion {
  const etag = etagOf(sha256);
  if (ifNoneMatch !== undefined && namesTag(ifNoneMatch, etag)) return { is: "not_modified" };
  // §13.1.5: with an If-Range that does not match, the part would not fit to what the client already has.
  if (range === undefined || (ifRange !== undefined && ifRange !== etag)) return { is: "whole" };
  const asked = /^bytes=(\d*)-(\d*)$/.exec(range.trim());
  const [, from = "", to = ""] = asked ?? [];
  if (asked === null || (from === "" && to === "")) return { is: "whole" };
  if (from === "") return suffix(Number(to), size);
  const [start, end] = [Number(from), to === "" ? size - 1 : Math.min(Number(to), size - 1)];
  if (to !== "" && Number(to) < start) return { is: "whole" };
  return start >= size ? { is: "unsatisfiable" } : { is: "part", start, end };
}

const suffix = (length: number, size: number): Portion =>
  length === 0 || size === 0 ? { is: "unsatisfiable" } : { is: "part", start: Math.max(0, size - length), end: size - 1 };

const namesTag = (header: string, etag: string): boolean =>
  header.trim() === "*" || header.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
