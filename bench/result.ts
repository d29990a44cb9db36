/** What one benchmark found. `aims` say what was hoped for; a missed aim is a finding, not a failure. */
export type BenchResult = {
  bench: string;
  figures: Record<string, number>;
  aims: Record<string, { value: number; aim: number; ok: boolean }>;
};

/** An aim that a value must stay at or below. */
export const atMost = (value: number, aim: number) => ({ value, aim, ok: value <= aim });
/** An aim that a value must reach. */
export const atLeast = (value: number, aim: number) => ({ value, aim, ok: value >= aim });

/** A figure for people: three significant digits, thousands apart. */
export const figure = (value: number): string =>
  Math.abs(value) >= 1_000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));

/** Prints the table for people. */
export function printResult({ bench, figures, aims }: BenchResult): void {
  console.log(`\n${bench}`);
  for (const [name, value] of Object.entries(figures)) console.log(`  ${name.padEnd(44)} ${figure(value).padStart(12)}`);
  for (const [name, { value, aim, ok }] of Object.entries(aims))
    console.log(`  ${ok ? "✓" : "✗"} ${name.padEnd(42)} ${figure(value).padStart(12)}  (aim ${figure(aim)})`);
}
