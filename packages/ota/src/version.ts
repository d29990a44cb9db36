/**
 * Orders two versions: -1, 0 or 1. After Semantic Versioning 2.0 §11, and made total, because devices say what they say:
 * a leading `v` and everything behind `+` count for nothing; the part before the first `-` is compared number by number, a missing
 * number is 0 (`1.4` = `1.4.0`); a version with a `-suffix` comes before the same version without; within the suffix, numbers
 * compare as numbers, come before words, words compare by their code units, and the longer list wins a tie.
 */
export function compareVersions(a: string, b: string): -1 | 0 | 1 {
  const [left, right] = [split(a), split(b)];
  const core = compareLists(left.core, right.core, "0");
  if (core !== 0) return core;
  if (left.suffix === undefined || right.suffix === undefined)
    return order(Number(left.suffix === undefined), Number(right.suffix === undefined));
  return compareLists(left.suffix, right.suffix, undefined);
}

function split(version: string): { core: string[]; suffix: string[] | undefined } {
  const plain = version
    .trim()
    .replace(/^v(?=\d)/i, "")
    .replace(/\+.*$/s, "");
  const dash = plain.indexOf("-");
  const core = (dash === -1 ? plain : plain.slice(0, dash)).split(".");
  return { core, suffix: dash === -1 ? undefined : plain.slice(dash + 1).split(".") };
}

function compareLists(a: string[], b: string[], missing: string | undefined): -1 | 0 | 1 {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [left, right] = [a[i] ?? missing, b[i] ?? missing];
    if (left === undefined || right === undefined) return left === undefined ? -1 : 1;
    const step = compareParts(left, right);
    if (step !== 0) return step;
  }
  return 0;
}

function compareParts(a: string, b: string): -1 | 0 | 1 {
  const [left, right] = [digitsOf(a), digitsOf(b)];
  if (left === undefined || right === undefined) return left === right ? order(a, b) : left === undefined ? 1 : -1;
  // Numbers of any length, without the rounding of `Number`.
  return left.length === right.length ? order(left, right) : order(left.length, right.length);
}

const digitsOf = (part: string): string | undefined => (/^\d+$/.test(part) ? part.replace(/^0+(?=\d)/, "") : undefined);

const order = <T extends number | string>(a: T, b: T): -1 | 0 | 1 => (a < b ? -1 : a > b ? 1 : 0);
