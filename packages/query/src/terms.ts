import { days, parseDuration } from "@tenfold/base";
import { refuse } from "./errors.ts";
import { type Comparison, comparisons, lifecycles, statuses, type Term, type TermName, termNames } from "./filter.ts";
import { nearest } from "./suggest.ts";
import type { Token } from "./tokens.ts";

type TermToken = Extract<Token, { is: "term" }>;

const tagKey = /^[a-z][a-z0-9_.-]{0,39}$/;
const longest = days(3_650);

/** Reads one `name:value`. */
export function readTerm(token: TermToken): Term {
  const name = termNames.find((known) => known.toLowerCase() === token.name.toLowerCase());
  if (name === undefined) throw unknownName(token);
  const term = readers[name](token);
  if (term === undefined)
    throw refuse({
      at: token.valueAt,
      found: token.value,
      expected: `${expected[name]} after "${name}:"`,
      suggestion: suggestionFor(name, token.value),
    });
  return term;
}

const readers: Record<TermName, (token: TermToken) => Term | undefined> = {
  id: ({ value }) => (value === "" ? undefined : { is: "id", id: value }),
  model: ({ value }) => (value === "" ? undefined : { is: "model", model: value }),
  hw: ({ value }) => (value === "" ? undefined : { is: "hw", revision: value }),
  group: ({ value }) => (value === "" ? undefined : { is: "group", name: value }),
  fleet: ({ value }) => (value === "" ? undefined : { is: "fleet", fleet: value }),
  tag: ({ value }) => {
    const [key = "", ...rest] = value.split("=");
    if (!tagKey.test(key)) return undefined;
    return rest.length === 0 ? { is: "tag", key } : { is: "tag", key, value: rest.join("=") };
  },
  status: ({ value }) => {
    const status = statuses.find((known) => known === value);
    return status && { is: "status", status };
  },
  lifecycle: ({ value }) => {
    const lifecycle = lifecycles.find((known) => known === value);
    return lifecycle && { is: "lifecycle", lifecycle };
  },
  fw: ({ value }) => {
    const { compare = "=", rest } = readComparison(value);
    return rest.length > 64 || !/^[^<>=]/.test(rest) ? undefined : { is: "fw", compare, version: rest };
  },
  trust: ({ value }) => {
    const { compare = "=", rest } = readComparison(value);
    return /^[0-4]$/.test(rest) ? { is: "trust", compare, level: Number(rest) } : undefined;
  },
  lastSeen: ({ value }) => {
    const { compare, rest } = readComparison(value);
    const age = parseDuration(rest);
    if (compare === undefined || compare === "=" || age === undefined || age > longest) return undefined;
    return { is: "lastSeen", compare, age: Math.round(age) };
  },
};

const expected: Record<TermName, string> = {
  id: "a device id",
  model: "a model",
  hw: "a hardware revision",
  group: "the name of a group",
  fleet: "the name of a fleet",
  tag: "key or key=value (key: a-z, 0-9, `_`, `.`, `-`)",
  status: statuses.join(", "),
  lifecycle: lifecycles.join(", "),
  fw: "a version such as 1.4.0, <1.4.0 or >=2.0",
  trust: "a trust level such as 2, >=2 or <1 (0 to 4)",
  lastSeen: "> or < and a duration such as >2h or <30m, ten years at most,",
};

function readComparison(value: string): { compare?: Comparison; rest: string } {
  const compare = comparisons.find((sign) => value.startsWith(sign));
  return compare === undefined ? { rest: value } : { compare, rest: value.slice(compare.length) };
}

function suggestionFor(name: TermName, value: string): string | undefined {
  if (name === "lastSeen" && parseDuration(value) !== undefined) return `lastSeen:>${value}`;
  const near = name === "status" ? nearest(value, statuses) : name === "lifecycle" ? nearest(value, lifecycles) : undefined;
  return near && `${name}:${near}`;
}

function unknownName(token: TermToken) {
  const near = nearest(token.name, termNames);
  // Ids may hold colons (aa:bb:cc): whoever searches for one must quote it.
  const suggestion = near === undefined ? `"${token.name}:${token.value}"` : `${near}:`;
  return refuse({
    at: token.at,
    found: `${token.name}:`,
    expected: `one of ${termNames.map((name) => `${name}:`).join(" ")}`,
    suggestion,
  });
}
