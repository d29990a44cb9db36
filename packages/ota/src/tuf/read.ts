import { refuse } from "./refusal.ts";

/** An object as JSON gave it. */
export type Members = Readonly<Record<string, unknown>>;

/** Each reader returns the value as what it should be, or refuses with `metadata_malformed` and the place. */
const wrong = (where: string, wanted: string): never => refuse("metadata_malformed", `${where} is not ${wanted}.`);

export function record(value: unknown, where: string): Members {
  // Checked here, once: JSON knows no other objects.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : wrong(where, "an object");
}

export const text = (value: unknown, where: string): string => (typeof value === "string" ? value : wrong(where, "a text"));

export const truth = (value: unknown, where: string): boolean =>
  typeof value === "boolean" ? value : wrong(where, "true or false");

export function textAmong<const T extends string>(value: unknown, known: readonly T[], where: string): T {
  return known.find((one) => one === value) ?? wrong(where, known.join(" or "));
}

export function integer(value: unknown, where: string, least: number): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= least
    ? value
    : wrong(where, `a whole number of at least ${least}`);
}

export function listOf(value: unknown, where: string, most: number): readonly unknown[] {
  return Array.isArray(value) && value.length <= most ? value : wrong(where, `a list of at most ${most}`);
}

export function mapOf<T>(value: unknown, where: string, read: (one: unknown, where: string) => T): ReadonlyMap<string, T> {
  const members = record(value, where);
  const map = new Map<string, T>();
  for (const name of Object.keys(members)) map.set(name, read(members[name], where));
  return map;
}

/** [TUF 4.2.1] A date that cannot be read must never mean "does not expire": one spelling only. Milliseconds since 1970. */
export function time(value: unknown, where: string): number {
  const at = typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? wrong(where, "a time such as 2026-01-02T03:04:05Z") : at;
}

export function hashesOf(value: unknown, where: string): Readonly<Record<string, string>> {
  const members = record(value, where);
  const names = Object.keys(members);
  if (names.length === 0 || names.length > 16) wrong(where, "a set of hashes");
  for (const name of names) text(members[name], where);
  // Every value was just seen to be a text.
  return members as Readonly<Record<string, string>>;
}

/** `{ [name]: read(value) }`, or nothing where the value is absent. */
export function optional<const N extends string, T>(name: N, value: unknown, read: (value: unknown) => T): { [K in N]?: T } {
  return (value === undefined ? {} : { [name]: read(value) }) as { [K in N]?: T };
}
