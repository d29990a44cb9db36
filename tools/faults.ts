/**
 * `npm run test:faults [-- NAME …]`: real faults against a real platform under load. After each the law is checked: whatever was acknowledged
 * is stored, once. What this machine cannot do is named with the reason. The last line is JSON. `--seed TEXT` repeats another run.
 */
import { parseArgs } from "node:util";
import { faults } from "./faults/all.ts";
import type { Fault } from "./faults/fault.ts";
import { missing } from "./faults/needs.ts";
import { type Played, play } from "./faults/stage.ts";
import { sweepLeftovers } from "./leftovers.ts";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { seed: { type: "string", default: "tenfold" } } });
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
  const played = await play(fault, values.seed).catch((error: unknown): string =>
    error instanceof Error ? error.message : String(error),
  );
  tell(fault, played, (performance.now() - began) / 1_000);
}
const { injected, acknowledged, lost, doubled, broken, skipped } = total;
console.log(JSON.stringify({ injected, acknowledged, lost, doubled, brokenPromises: broken, skipped }));
process.exit(lost + doubled + broken === 0 && injected > 0 ? 0 : 1);

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
