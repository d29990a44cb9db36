/**
 * The list of error codes is the same in the code, in docs/protocol/errors.md and in the HTTP map. `--write` makes the page anew;
 * without it a difference fails. A code that two parts declare with two statuses fails too.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";

const page = "docs/protocol/errors.md";
type Declared = { code: string; status: number; part: string };

export function declaredIn(file: string, source: string): Declared[] {
  const part = file.replace(/^(packages|apps\/platform\/src)\//, "").split("/")[0] ?? file;
  return [...source.matchAll(/defineProblems\(\{([^}]*)\}/g)].flatMap(([, body = ""]) =>
    [...body.matchAll(/^\s*([a-z0-9_]+):\s*(\d{3})|[{,]\s*([a-z0-9_]+):\s*(\d{3})/gm)].map((m) => ({
      code: m[1] ?? m[3] ?? "",
      status: Number(m[2] ?? m[4]),
      part,
    })),
  );
}

const meaning: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  410: "Gone",
  412: "Precondition Failed",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};

function render(declared: Declared[]): string {
  const rows = declared.map(({ code, status, part }) => `| \`${code}\` | ${status} ${meaning[status] ?? ""} | ${part} |`);
  return `# Error codes

Every failure that a caller may branch on has a stable \`code\`. Over HTTP it arrives as \`application/problem+json\` (RFC 9457) with
\`status\`, \`code\`, \`detail\` (a sentence that names the thing), and where they help \`field\` and \`fix\`. Messages may change; codes do not.
This page is made from the code by \`node tools/codes.ts --write\`; \`npm run check\` fails when they differ.

| code | HTTP status | declared by |
| --- | --- | --- |
${rows.join("\n")}
`;
}

if (import.meta.main) {
  const files = globSync(["packages/*/src/**/*.ts", "apps/platform/src/**/*.ts"]).filter((file) => !/\.test\.ts$/.test(file));
  const declared = files
    .flatMap((file) => declaredIn(file, readFileSync(file, "utf8")))
    .toSorted((a, b) => (a.code < b.code ? -1 : 1));
  const clashes = declared.filter((one, i) =>
    declared.some((other, j) => j < i && other.code === one.code && other.status !== one.status),
  );
  const unique = declared.filter((one, i) => declared.findIndex((other) => other.code === one.code) === i);
  const wanted = render(unique);
  if (process.argv.includes("--write")) writeFileSync(page, wanted);
  const same = readFileSync(page, "utf8") === wanted;
  for (const { code, status, part } of clashes) console.log(`${code} is declared with another status by ${part} (${status})`);
  if (!same) console.log(`${page} is not what the code declares: run \`node tools/codes.ts --write\` and read the difference`);
  console.log(`codes: ${files.length} files, ${unique.length} codes, ${same ? "as documented" : "NOT as documented"}`);
  process.exitCode = same && clashes.length === 0 && unique.length > 0 ? 0 : 1;
}
