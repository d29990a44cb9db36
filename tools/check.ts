/** `npm run check`: format and lint, types, borders, dead code, error codes, licences, schema, lock file. Each gate says what it looked at. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

type Gate = { name: string; run: () => Promise<{ ok: boolean; said: string }> };

const script =
  (...args: string[]) =>
  () =>
    runNode(args);
const command =
  (name: string, ...args: string[]) =>
  () =>
    runNode([commandOf(name), ...args]);

/** Types, with what the compiler learnt last time kept aside: a second check costs a fraction of the first. */
const types = (project: string, name: string) =>
  command("typescript", "-p", project, "--incremental", "--tsBuildInfoFile", `node_modules/.cache/${name}.tsbuildinfo`);

const gates: Gate[] = [
  { name: "format and lint", run: command("@biomejs/biome", "check", "--error-on-warnings", ".") },
  { name: "types", run: types(".", "all") },
  { name: "console types", run: types("apps/console", "console") },
  { name: "borders", run: script("tools/architecture.ts") },
  { name: "dead code", run: command("knip") },
  { name: "error codes", run: script("tools/codes.ts") },
  { name: "licences", run: script("tools/licences.ts") },
  { name: "database schema", run: script("tools/schema.ts", "--check") },
  { name: "lock file", run: lockFile },
];

/** The lock file must not name the registry that somebody happened to install from. */
async function lockFile() {
  const lines = readFileSync("package-lock.json", "utf8").split("\n");
  const hosts = lines.filter((line) => /https?:\/\//.test(line) && /"resolved"|registry/.test(line));
  return { ok: hosts.length === 0 && lines.length > 100, said: `${lines.length} lines, ${hosts.length} that name a registry` };
}

function runNode(args: string[]): Promise<{ ok: boolean; said: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    child.stdout.on("data", (chunk) => (said += chunk));
    child.stderr.on("data", (chunk) => (said += chunk));
    child.on("close", (code) => resolve({ ok: code === 0, said: said.trim() }));
  });
}

function commandOf(name: string): string {
  const manifest = join("node_modules", name, "package.json");
  const { bin } = JSON.parse(readFileSync(manifest, "utf8")) as { bin: string | Record<string, string> };
  const [first = ""] = typeof bin === "string" ? [bin] : [bin.tsc ?? bin.biome ?? bin.knip ?? ""];
  return join(dirname(manifest), first);
}

let failed = 0;
for (const { name, run } of gates) {
  const started = performance.now();
  const { ok, said } = await run();
  const took = `${((performance.now() - started) / 1_000).toFixed(1)} s`;
  console.log(`${ok ? "✓" : "✗"} ${name} (${took})${ok ? `  ${said.split("\n").at(-1) ?? ""}` : `\n${said}`}`);
  if (!ok) failed += 1;
}
console.log(`\ncheck: ${gates.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
