/**
 * Who may import whom. ARCHITECTURE.md draws these tables; `npm run check` enforces them. Reads the sources as text, so that it
 * needs no compiler API and sees type-only and dynamic imports too.
 */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const all = ["base", "contracts", "query", "pki", "ota", "device", "testkit"];
const packages: Record<string, string[]> = {
  base: [],
  contracts: ["base"],
  query: ["base"],
  pki: ["base"],
  ota: ["base", "contracts"],
  device: ["base", "contracts", "pki", "ota"],
  testkit: all.filter((name) => name !== "testkit"),
};
const apps: Record<string, string[]> = {
  agent: ["base", "contracts", "pki", "ota", "device"],
  gateway: ["base", "contracts", "pki", "ota", "device"],
  platform: ["base", "contracts", "query", "pki", "ota"],
  console: ["base", "contracts", "query"],
  cli: ["base", "contracts", "query", "pki", "ota"],
  simulator: all,
};
/** Platform modules, lowest first: a module imports earlier rows only, and not its neighbours in a row. */
export const moduleRows = [
  ["kernel"],
  ["access"],
  ["registry"],
  ["enrollment", "links"],
  ["telemetry", "commands", "releases", "tuf", "crashes"],
  ["rollouts", "monitoring"],
  ["incidents", "kpi", "costs", "posture"],
  ["pilots", "readiness"],
];
/** Every file of a module is pure, unless its name says that it touches the world. */
const shell = /\/(index|routes|device-routes|store|reconcile|deps|testing)\.ts$|\.shell\.ts$/;
const test = /\.test\.ts$|\/test\/|\/testing\.ts$/;

const importPattern =
  /(?:^|\n)\s*(import|export)\s+(type\s)?[^;"']*?from\s*["']([^"']+)["']|(?:^|\n)\s*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/g;

export type Import = { from: string; to: string; typeOnly: boolean };

export function importsOf(file: string, source: string): Import[] {
  return [...source.matchAll(importPattern)].map((match) => {
    const specifier = match[3] ?? match[4] ?? match[5] ?? "";
    const to = specifier.startsWith(".")
      ? normalize(join(dirname(file), specifier))
      : specifier.replace(/^@tenfold\/([^/]+)$/, "packages/$1/src/index.ts");
    return { from: file, to, typeOnly: match[2] !== undefined };
  });
}

/** The rule that an import breaks, in words, or undefined where it breaks none. */
export function brokenRule(edge: Import): string | undefined {
  if (!test.test(edge.from) && /\.test\.ts$|\/testing\.ts$/.test(edge.to)) return "product code imports no test";
  return betweenParts(edge) ?? (test.test(edge.from) ? undefined : (betweenModules(edge) ?? outOfPureFiles(edge)));
}

function betweenParts({ from, to }: Import): string | undefined {
  const [kind = "", owner = ""] = from.split("/");
  const [toKind = "", toOwner = ""] = to.split("/");
  if (kind !== "packages" && kind !== "apps") return undefined;
  if (toKind === "apps" && toOwner !== owner) return "an app is imported by nobody";
  if (toKind !== "packages" || (kind === "packages" && toOwner === owner)) return undefined;
  if (toOwner === "testkit" && test.test(from)) return undefined;
  // An app's `test` folder also plays its other side.
  if (/^apps\/[^/]+\/test\//.test(from)) return undefined;
  const allowed = (kind === "packages" ? packages : apps)[owner] ?? [];
  return allowed.includes(toOwner) ? undefined : `${kind}/${owner} may import: ${allowed.join(", ") || "nothing of ours"}`;
}

function betweenModules({ from, to }: Import): string | undefined {
  const [module, other] = [platformModule(from), platformModule(to)];
  if (module === undefined || other === undefined || module === other) return undefined;
  const row = moduleRows.findIndex((names) => names.includes(module));
  if (row < 0) return `${module} stands in no row of tools/architecture.ts`;
  if (!moduleRows.slice(0, row).flat().includes(other))
    return `${module} may not import ${other}: it does not stand in an earlier row`;
  return to.endsWith("/index.ts") ? undefined : `${other} is entered through its index.ts`;
}

function outOfPureFiles({ from, to, typeOnly }: Import): string | undefined {
  const module = platformModule(from);
  if (module === undefined || module === "kernel" || typeOnly || shell.test(from)) return undefined;
  const touchesTheWorld =
    /^(node:(?!crypto$|util$|buffer$)|fastify|pg$|kysely|@clickhouse|chdb)/.test(to) || platformModule(to) === "kernel";
  return touchesTheWorld ? "only index, routes, store, reconcile, deps and *.shell.ts touch the world" : undefined;
}

const platformModule = (file: string): string | undefined => file.match(/^apps\/platform\/src\/([^/]+)\//)?.[1];

if (import.meta.main) {
  const files = globSync("{apps,packages}/*/{src,test}/**/*.{ts,tsx}").toSorted();
  const edges = files.flatMap((file) => importsOf(file, readFileSync(file, "utf8")));
  const broken = edges.flatMap((edge) => {
    const rule = brokenRule(edge);
    return rule === undefined ? [] : [`${edge.from} -> ${edge.to}\n    ${rule}`];
  });
  if (broken.length > 0) console.log(broken.join("\n"));
  console.log(`borders: ${files.length} files, ${edges.length} imports, ${broken.length} broken`);
  process.exitCode = broken.length === 0 && edges.length > 0 ? 0 : 1;
}
