/** `npm run bench [-- NAME …]`: each benchmark beside a peer or a limit in the same run. The last line is one JSON object a benchmark. */
import { existsSync } from "node:fs";
import { loadavg } from "node:os";
import { type BenchResult, printResult } from "./result.ts";

const names = [
  "start",
  "messages",
  "connections",
  "overload",
  "where",
  "store",
  "queries",
  "identity",
  "rotation",
  "revocation",
  "gates",
  "director",
  "rollouts",
] as const;
type Name = (typeof names)[number];

const load: Record<Name, () => Promise<{ run: () => Promise<BenchResult> }>> = {
  start: () => import("./start.ts"),
  messages: () => import("./messages.ts"),
  connections: () => import("./connections.ts"),
  overload: () => import("./overload.ts"),
  where: () => import("./where.ts"),
  store: () => import("./store.ts"),
  queries: () => import("./queries.ts"),
  identity: () => import("./identity.ts"),
  rotation: () => import("./rotation.ts"),
  revocation: () => import("./revocation.ts"),
  gates: () => import("./gates.ts"),
  director: () => import("./director.ts"),
  rollouts: () => import("./rollouts.ts"),
};

const wanted = process.argv.slice(2).filter((word) => !word.startsWith("-"));
const unknown = wanted.filter((word) => !(names as readonly string[]).includes(word));
if (unknown.length > 0 || !existsSync("bench")) {
  console.error(`No benchmark is called ${unknown.join(", ")}. There are: ${names.join(", ")}.`);
  process.exit(2);
}
console.log(
  `load average ${loadavg()
    .map((n) => n.toFixed(1))
    .join(" ")}; these figures are ratios and orders of size, not promises`,
);
for (const name of wanted.length > 0 ? wanted : names) {
  // Checked against `names` above.
  const result = await (await load[name as Name]()).run();
  printResult(result);
  console.log(JSON.stringify(result));
}
process.exit(0);
