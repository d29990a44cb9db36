/**
 * Versions in order, after SemVer 2.0 clause 11, and forgiving: a leading `v` and build metadata (`+…`) count for nothing, missing
 * numbers are zero (1.4 = 1.4.0), more than three numbers are fine, and what is no number is compared as text.
 */
export function compareVersions(a: string, b: string): -1 | 0 | 1 {
  const [left, right] = [versionKey(a), versionKey(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

/**
 * A text whose byte order is the order of versions, so that a database can compare and index it (collation "C"). Printable ASCII.
 * Marks in rising order: `!` a pre-release follows, `$` the version ends, `.` another number follows.
 */
export function versionKey(version: string): string {
  const plain = version
    .trim()
    .replace(/^[vV](?=\d)/, "")
    .replace(/\+.*$/s, "");
  const dash = plain.indexOf("-");
  const core = (dash < 0 ? plain : plain.slice(0, dash)).split(".").map(identifierKey);
  while (core.length > 1 && core.at(-1) === zero) core.pop();
  const end =
    dash < 0
      ? "$"
      : `!${plain
          .slice(dash + 1)
          .split(".")
          .map((part) => `${identifierKey(part)}!`)
          .join("")}`;
  return `${core.join(".")}${end}`;
}

/** Numbers before texts [SemVer 11.4.3]; numbers by their count of digits first, so that 9 < 10. */
function identifierKey(part: string): string {
  if (!/^\d+$/.test(part)) return `2${asciiOnly(part)}`;
  const digits = part.replace(/^0+(?=\d)/, "");
  return `1${String(digits.length).padStart(4, "0")}${digits}`;
}

const zero = identifierKey("0");

const asciiOnly = (text: string) =>
  text.replace(/[^"-$&-~]/gu, (character) => `%${(character.codePointAt(0) ?? 0).toString(16).padStart(6, "0")}`);
