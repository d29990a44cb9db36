/** Every installed dependency carries a licence that an Apache-2.0 product may ship or build with. Fails on zero packages and on unknown ones. */
import { globSync, readFileSync } from "node:fs";

const allowed = new Set([
  "MIT",
  "MIT-0",
  "ISC",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "0BSD",
  "BlueOak-1.0.0",
  "CC0-1.0",
  "Unlicense",
  "Python-2.0",
  "WTFPL",
  "PostgreSQL",
  "CC-BY-4.0",
]);
/** Fonts have a licence of their own kind: they may be bundled with anything, and stay free. */
const fontLicence = "OFL-1.1";

/** Only at build or test time, never shipped; looked at by hand. */
const buildOnly = new Map([
  ["lightningcss", "MPL-2.0"],
  ["lightningcss-linux-x64-gnu", "MPL-2.0"],
  ["lightningcss-linux-x64-musl", "MPL-2.0"],
  ["lightningcss-linux-arm64-gnu", "MPL-2.0"],
  ["lightningcss-darwin-arm64", "MPL-2.0"],
  // MIT by its README, and silent in its manifest; of tus-js-client, which tests our uploads from outside.
  ["combine-errors", "none"],
]);

type Manifest = { name?: string; version?: string; license?: string | { type?: string }; licenses?: { type?: string }[] };

export function licenceAllowed(expression: string): boolean {
  const parts = expression.replace(/[()]/g, " ").trim();
  if (/ OR /.test(parts)) return parts.split(" OR ").some((one) => licenceAllowed(one));
  return parts.split(" AND ").every((one) => allowed.has(one.trim()));
}

if (import.meta.main) {
  const manifests = globSync([
    "node_modules/*/package.json",
    "node_modules/@*/*/package.json",
    "node_modules/**/node_modules/*/package.json",
  ]);
  const packages = manifests
    .map((path) => JSON.parse(readFileSync(path, "utf8")) as Manifest)
    .filter(({ name, version }) => name && version && !name.startsWith("@tenfold/") && name !== "tenfold");
  const refused = packages.filter(({ name = "", license, licenses }) => {
    const said = typeof license === "string" ? license : (license?.type ?? licenses?.[0]?.type ?? "none");
    const font = name.startsWith("@fontsource") && said === fontLicence;
    return !font && !licenceAllowed(said) && buildOnly.get(name) !== said;
  });
  for (const { name, version, license } of refused)
    console.log(`${name}@${version}: licence ${JSON.stringify(license)} is not on the list of tools/licences.ts`);
  console.log(`licences: ${packages.length} packages, ${refused.length} not allowed`);
  process.exitCode = refused.length === 0 && packages.length > 0 ? 0 : 1;
}
