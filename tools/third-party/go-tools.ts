import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

const buildMs = 900_000;

/** Where programs lie that were built here from their Go modules. */
export const toolsFolder = join(homedir(), ".cache", "tenfold-tools");

/** The program of a Go module (`host/owner/name/cmd/program@version`), built once. Resolves to its path. */
export async function goTool(module: string): Promise<string> {
  const name = module.split("@")[0]?.split("/").at(-1) ?? "";
  const path = join(toolsFolder, name);
  if (existsSync(path)) return path;
  await mkdir(toolsFolder, { recursive: true });
  console.log(`building ${module} …`);
  execFileSync("go", ["install", module], {
    env: { ...process.env, GOBIN: toolsFolder, GOFLAGS: "-buildvcs=false" },
    stdio: "pipe",
    timeout: buildMs,
  });
  return path;
}
