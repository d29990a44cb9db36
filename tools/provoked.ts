/**
 * Holds the codes of docs/protocol/errors.md, and the reasons of docs/protocol/enrollment.md, against what the tests provoked: a code that no test brings about
 * is a promise that nobody has seen kept. Runs after a whole `npm test`.
 */
import { readFileSync } from "node:fs";

/** Codes of other parts that no test brings about yet: the list may only become shorter. Nothing of enrollment or pki stands in it. */
const notYet: readonly string[] = [];

export type Coverage = { documented: number; provoked: number; missing: string[]; better: string[] };

/** What is documented and not provoked, and what is in the list though it is. */
export function coverageOf(documented: readonly string[], provoked: ReadonlySet<string>, excused: readonly string[]): Coverage {
  const missing = documented.filter((code) => !provoked.has(code) && !excused.includes(code));
  const better = excused.filter((code) => provoked.has(code) || !documented.includes(code));
  return { documented: documented.length, provoked: documented.filter((code) => provoked.has(code)).length, missing, better };
}

export function documentedCodes(): string[] {
  const codes = readFileSync("docs/protocol/errors.md", "utf8").matchAll(/^\| `([a-z0-9_]+)`/gm);
  const reasons = readFileSync("docs/protocol/enrollment.md", "utf8").matchAll(/^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \| 4\d\d \|/gm);
  const ofReasons = [...reasons].flatMap(([, cell = ""]) => cell.match(/[a-z_]+/g) ?? []);
  return [...new Set([...[...codes].map(([, code = ""]) => code), ...ofReasons])];
}

/** Says what it found; true where every documented code was provoked or is excused. */
export function judgeProvoked(file: string): boolean {
  const provoked = new Set(JSON.parse(readFileSync(file, "utf8")) as string[]);
  const { documented, provoked: seen, missing, better } = coverageOf(documentedCodes(), provoked, notYet);
  for (const code of missing) console.log(`no test provokes ${code}`);
  if (better.length > 0) console.log(`take out of the list in tools/provoked.ts: ${better.join(", ")}`);
  console.log(`codes: ${seen} of ${documented} documented ones were provoked by these tests, ${notYet.length} are known not to be`);
  return documented > 200 && seen > 0 && missing.length === 0;
}
