/** `npm run conformance -- mqtt` (`ddi`, `tuf`, `uptane`): third-party test data and rules against our endpoints; the last line is JSON with the counts. */
const suites = {
  mqtt: () => import("./mqtt/index.ts"),
  ddi: () => import("./ddi/index.ts"),
  tuf: () => import("./tuf/index.ts"),
  uptane: () => import("./uptane/index.ts"),
} as const;

const name = process.argv[2] ?? "mqtt";
if (!(name in suites)) {
  console.error(`No conformance suite is called ${name}. There are: ${Object.keys(suites).join(", ")}.`);
  process.exit(2);
}
// The name was just found among the keys.
const { run } = await suites[name as keyof typeof suites]();
const counts = await run();
console.log(JSON.stringify({ suite: name, ...counts }));
process.exit(0);
