/**
 * `npm run conformance -- mqtt` (`ddi`, `tuf`, `uptane`): third-party test data and rules against our endpoints; the last line is JSON with the counts. Exit
 * code 1 where a fault was found or nothing was played.
 */
import { type SuiteName, verdictOf } from "./verdict.ts";

const suites: Record<SuiteName, () => Promise<{ run(): Promise<object> }>> = {
  mqtt: () => import("./mqtt/index.ts"),
  ddi: () => import("./ddi/index.ts"),
  tuf: () => import("./tuf/index.ts"),
  uptane: () => import("./uptane/index.ts"),
};

const name = process.argv[2] ?? "mqtt";
if (!Object.hasOwn(suites, name)) {
  console.error(`No conformance suite is called ${name}. There are: ${Object.keys(suites).join(", ")}.`);
  process.exit(2);
}
// The name was just found among the keys.
const suite = name as SuiteName;
const { run } = await suites[suite]();
const counts = await run();
const verdict = verdictOf(suite, { ...counts });
if (verdict.is === "failed") console.error(`${suite}: ${verdict.because}`);
console.log(JSON.stringify({ suite, ...counts }));
process.exit(verdict.is === "passed" ? 0 : 1);
