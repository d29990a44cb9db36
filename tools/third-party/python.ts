import { execFileSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { onPath } from "./packages.ts";

/** What the suites around TUF and Uptane need; one Python serves them all. */
export const tufPackages = ["tuf==7.0.0", "securesystemslib[crypto]==1.4.0", "pytest==9.1.1"];

/** A Python of its own below `.tools`, with these packages from the registry; or why there is none. */
export function providePython(name: string, packages: readonly string[]): { python: string } | { missing: string } {
  const folder = resolve(".tools", `python-${name}`);
  const python = join(folder, "bin", "python");
  const has = (): boolean => {
    try {
      execFileSync(python, ["-m", "pip", "show", "-q", ...packages.map((one) => one.replace(/[[=<>].*/, ""))], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  };
  if (existsSync(python) && has()) return { python };
  if (!onPath("python3")) return { missing: "install python3" };
  console.log(`installing ${packages.join(", ")} for Python …`);
  try {
    rmSync(folder, { recursive: true, force: true });
    execFileSync("python3", ["-m", "venv", folder], { stdio: "ignore", timeout: 120_000 });
    execFileSync(python, ["-m", "pip", "install", "-q", ...packages], { stdio: "ignore", timeout: 600_000 });
  } catch (error) {
    return {
      missing: `python3 could not install ${packages.join(", ")}: ${error instanceof Error ? error.message.split("\n")[0] : error}`,
    };
  }
  return { python };
}
