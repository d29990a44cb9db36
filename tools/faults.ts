/**
 * `npm run test:faults [-- NAME …]`: real faults against a real platform under load. After each the law is checked: whatever was acknowledged
 * is stored, once. What this machine cannot do is named with the reason. The last line is JSON. `--seed TEXT` repeats another run. A fault that
 * can go on for any time begins nothing new after `--minutes N`. `--sums FILE` adds a run to a file, and prints the sum over all runs in it.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { faults } from "./faults/all.ts";
import type { Fault } from "./faults/fault.ts";
import { missing } from "./faults/needs.ts";
import { type Played, play } from "./faults/stage.ts";
import { sweepLeftovers } from "./leftovers.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string", default: "tenfold" },
    minutes: { type: "string", default: "2" },
    sums: { type: "string" },
  },
});
const goOnMs = Number(values.minutes) * 60_000;
if (!(goOnMs >= 0)) {
  console.error(`--minutes takes a number, not "${values.minutes}".`);
  process.exit(2);
}
const wanted = faults.filter(
  ({ id, name }) => positionals.length === 0 || positionals.some((word) => word.toUpperCase() === id || name.includes(word)),
);
if (wanted.length === 0) {
  console.error(
    `No fault is called ${positionals.join(" ")}. There are: ${faults.map(({ id, name }) => `${id} ${name}`).join(", ")}.`,
  );
  process.exit(1);
}

const swept = sweepLeftovers();
if (swept.length > 0) console.log(`taken away, left by runs that were killed: ${swept.join(", ")}`);
const total = { injected: 0, acknowledged: 0, lost: 0, doubled: 0, broken: 0, skipped: 0 };
for (const fault of wanted) {
  const absent = missing(fault.needs);
  if (absent.length > 0) {
    total.skipped += 1;
    console.log(`- ${fault.id} ${fault.name}: skipped, because ${absent.join("; ")}`);
    continue;
  }
  const began = performance.now();
  const played = await play(fault, { seed: values.seed, goOnMs }).catch((error: unknown): string =>
    error instanceof Error ? error.message : String(error),
  );
  tell(fault, played, (performance.now() - began) / 1_000);
}
const { injected, acknowledged, lost, doubled, broken, skipped } = total;
const sums = { injected, acknowledged, lost, doubled, brokenPromises: broken, skipped };
if (values.sums !== undefined) addUp(values.sums);
console.log(JSON.stringify(sums));
process.exit(lost + doubled + broken === 0 && injected > 0 ? 0 : 1);

/** A run that was cut off never gets here, and is not counted. */
function addUp(file: string): void {
  const run = { seed: values.seed, faults: wanted.map(({ id }) => id), ...sums };
  appendFileSync(file, `${JSON.stringify(run)}\n`);
  const runs = readFileSync(file, "utf8").trim().split("\n");
  const all: Record<string, number> = { runs: runs.length };
  // This program alone writes these lines.
  for (const line of runs)
    for (const name of Object.keys(sums))
      all[name] = (all[name] ?? 0) + (JSON.parse(line) as typeof sums)[name as keyof typeof sums];
  console.log(`all runs in ${file}: ${JSON.stringify(all)}`);
}

function tell(fault: Fault, played: Played | string, seconds: number): void {
  const head = `${fault.id} ${fault.name} (${seconds.toFixed(1)} s)`;
  if (typeof played === "string") {
    total.broken += 1;
    console.log(`✗ ${head}: ${fault.injected}\n    ${played.split("\n").join("\n    ")}`);
    return;
  }
  const { injected, acknowledged, lost, doubled, broken, notes } = played;
  total.injected += injected;
  total.acknowledged += acknowledged;
  total.lost += lost.length;
  total.doubled += doubled.length;
  total.broken += broken.length;
  const good = lost.length + doubled.length + broken.length === 0;
  console.log(
    `${good ? "✓" : "✗"} ${head}: ${fault.injected}\n    injected ${injected}, acknowledged ${acknowledged}, lost ${lost.length}, doubled ${doubled.length}`,
  );
  for (const sentence of broken) console.log(`    NOT HELD: ${sentence}`);
  if (lost.length > 0) console.log(`    lost: ${lost.slice(0, 20).join(" ")}`);
  if (doubled.length > 0) console.log(`    doubled: ${doubled.slice(0, 20).join(" ")}`);
  for (const sentence of notes) console.log(`    ${sentence}`);
}
