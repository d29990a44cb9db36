/**
 * `npm test`: every `*.test.ts` in one process, which is quick because the tests share one database server. Arguments narrow it:
 * `npm test -- rollouts` runs the files whose path contains the word. After a whole run the codes that it provoked are held against the documented ones.
 */
import { spawn } from "node:child_process";
import { globSync, mkdirSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { judgeProvoked } from "./provoked.ts";

const words = process.argv.slice(2);
const files = globSync([
  "packages/*/src/**/*.test.ts",
  "apps/*/{src,test}/**/*.test.ts",
  "tools/**/*.test.ts",
  "conformance/**/*.test.ts",
  "bench/**/*.test.ts",
  "deploy/**/*.test.ts",
])
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .toSorted();
if (files.length === 0) {
  console.error(`No test file matches ${words.join(" ")}.`);
  process.exit(1);
}
console.log(
  `${files.length} test files; needs no extra package. Real clients: npm run test:third-party. Longer runs: npm run test:fuzz, npm run bench.`,
);
// The second one ends a run that a test which was cut off would keep from ending.
const reporters = ["spec", "./tools/test-end.ts"].flatMap((reporter, i) => [
  `--test-reporter=${reporter}`,
  `--test-reporter-destination=${i === 0 ? "stdout" : "stderr"}`,
]);
// A part of the tests provokes a part of the codes.
const provoked = words.length === 0 ? resolve("node_modules/.cache/provoked.json") : undefined;
if (provoked !== undefined) {
  mkdirSync(dirname(provoked), { recursive: true });
  rmSync(provoked, { force: true });
}
const child = spawn(
  process.execPath,
  ["--import", "./tools/record-provoked.ts", "--test", "--test-isolation=none", "--test-timeout=180000", ...reporters, ...files],
  { stdio: "inherit", env: { ...process.env, ...(provoked === undefined ? {} : { PROVOKED_CODES: provoked }) } },
);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => {
  // A run that failed has not provoked what its failed tests would have.
  const whole = code !== 0 || provoked === undefined || judgeProvoked(provoked);
  process.exit(signal ? 1 : code || (whole ? 0 : 1));
});
