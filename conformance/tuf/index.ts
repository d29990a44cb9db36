import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { provide } from "../../tools/third-party/packages.ts";
import { providePython, tufPackages } from "../../tools/third-party/python.ts";

type Counts = { passed: number; failed: number; skipped: number; because?: string };

const longestMs = 50 * 60_000;

/**
 * Runs the TUF project's own conformance suite (github.com/theupdateframework/tuf-conformance, not part of this repository) against the
 * updater that devices use, without any expected failures. `TENFOLD_TEST_TUF_CONFORMANCE` names the folder with a checkout of it.
 */
export async function run(): Promise<Counts> {
  const suite = process.env.TENFOLD_TEST_TUF_CONFORMANCE;
  if (suite === undefined || !existsSync(join(suite, "tuf_conformance")))
    return skip("TENFOLD_TEST_TUF_CONFORMANCE names no checkout of github.com/theupdateframework/tuf-conformance");
  const missing = provide(["faketime"]).get("faketime");
  if (missing !== undefined) return skip(missing);
  const found = providePython("tuf", tufPackages);
  if ("missing" in found) return skip(found.missing);
  const folder = mkdtempSync(join(tmpdir(), "tenfold-tuf-"));
  try {
    const client = join(folder, "client");
    const cache = join(folder, "cache");
    writeFileSync(
      client,
      `#!/bin/sh\nNODE_COMPILE_CACHE=${cache} exec ${process.execPath} ${resolve("conformance/tuf/client.ts")} "$@"\n`,
    );
    chmodSync(client, 0o755);
    const report = join(folder, "report.xml");
    const words = [
      "-m",
      "pytest",
      "-q",
      "-p",
      "no:cacheprovider",
      `--junitxml=${report}`,
      "tuf_conformance",
      "--entrypoint",
      client,
    ];
    const { status } = spawnSync(found.python, words, { cwd: suite, stdio: "inherit", timeout: longestMs });
    return status === null
      ? { passed: 0, failed: 1, skipped: 0, because: "it did not end in time" }
      : countsIn(readFileSync(report, "utf8"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function countsIn(report: string): Counts {
  const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(report)?.[1] ?? 0);
  const [failed, skipped] = [count("failures") + count("errors"), count("skipped")];
  return { passed: count("tests") - failed - skipped, failed, skipped };
}

function skip(because: string): Counts {
  console.log(`skipped: ${because}`);
  return { passed: 0, failed: 0, skipped: 1, because };
}
