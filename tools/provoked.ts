/**
 * Holds the codes of docs/protocol/errors.md, and the reasons of docs/protocol/enrollment.md, against what the tests provoked: a code that no test brings about
 * is a promise that nobody has seen kept. Runs after a whole `npm test`. Identity must be whole; of the other parts it says how far they are.
 */
import { readFileSync } from "node:fs";
import { withoutSoftHsm, withoutSoftwareTpm } from "../packages/testkit/src/hardware.ts";

/** Parts whose every code must be provoked. */
const whole: readonly string[] = ["enrollment", "pki"];

export type Documented = { readonly code: string; readonly part: string };
export type Coverage = { readonly provoked: number; readonly missing: Documented[]; readonly elsewhere: Documented[] };

/** What was provoked, what is missing of the parts that must be whole, and what is missing of the others. */
export function coverageOf(documented: readonly Documented[], provoked: ReadonlySet<string>): Coverage {
  const silent = documented.filter(({ code }) => !provoked.has(code));
  return {
    provoked: documented.length - silent.length,
    missing: silent.filter(({ part }) => whole.includes(part)),
    elsewhere: silent.filter(({ part }) => !whole.includes(part)),
  };
}

/** The codes of the two pages' tables, each once. */
export function documentedIn(errors: string, enrollment: string): Documented[] {
  const codes = [...errors.matchAll(/^\| `([a-z0-9_]+)` \|[^|]*\| ([a-z-]+) \|/gm)].map(([, code = "", part = ""]) => ({
    code,
    part,
  }));
  const cells = [...enrollment.matchAll(/^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \| 4\d\d \|/gm)].map(([, cell = ""]) => cell);
  const reasons = cells.flatMap((cell) => (cell.match(/[a-z_]+/g) ?? []).map((code) => ({ code, part: "enrollment" })));
  return [...codes, ...reasons.filter(({ code }) => !codes.some((one) => one.code === code))];
}

/** Says what it found; true where nothing is missing of the parts that must be whole. */
export function judgeProvoked(file: string): boolean {
  const page = (name: string) => readFileSync(`docs/protocol/${name}.md`, "utf8");
  const documented = documentedIn(page("errors"), page("enrollment"));
  const { provoked, missing, elsewhere } = coverageOf(documented, new Set(JSON.parse(readFileSync(file, "utf8")) as string[]));
  const ofWhole = documented.filter(({ part }) => whole.includes(part)).length;
  console.log(`codes: ${provoked} of ${documented.length} documented ones were provoked by these tests`);
  if (elsewhere.length > 0) console.log(`  not yet, of other parts: ${elsewhere.map(({ code }) => code).join(", ")}`);
  console.log(
    `  of ${whole.join(" and ")}: ${ofWhole - missing.length} of ${ofWhole}${missing.map(({ code }) => `\n  no test provokes ${code}`)}`,
  );
  const hardware = withoutSoftHsm() || withoutSoftwareTpm();
  if (missing.length > 0 && hardware) console.log(`  not judged, because tests were skipped: ${hardware}`);
  return provoked > 0 && ofWhole > 50 && (missing.length === 0 || hardware !== false);
}
