/**
 * The S3 side of the artifact store against Versity S3 Gateway, a server that others wrote, built here from its Go module. The suite is the contract's
 * own: `kernel/blobs`.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { findS3Server } from "@tenfold/testkit";
import { type Counts, steps } from "./steps.ts";

const module = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";
const buildMs = 900_000;

export async function runAlone(): Promise<Counts> {
  const counts = steps("s3");
  let binary = findS3Server();
  await counts.step("the server builds", async () => {
    binary ??= await build();
  });
  if (binary === undefined) return counts;
  const test = spawnSync(process.execPath, ["tools/test.ts", "kernel/blobs"], {
    encoding: "utf8",
    env: { ...process.env, TENFOLD_TEST_S3_SERVER: binary },
    timeout: 300_000,
  });
  for (const line of test.stdout.split("\n")) {
    const [, mark, sentence] = /^([✔✖]) S3: (.*?) \([\d.]+ms\)$/.exec(line) ?? [];
    if (sentence !== undefined)
      await counts.step(sentence, async () => {
        if (mark !== "✔") throw new Error(test.stdout.slice(test.stdout.indexOf("failing tests")));
      });
  }
  return counts;
}

async function build(): Promise<string> {
  const folder = join(homedir(), ".cache", "tenfold-tools");
  const path = join(folder, "versitygw");
  if (existsSync(path)) return path;
  await mkdir(folder, { recursive: true });
  console.log(`building ${module} …`);
  execFileSync("go", ["install", module], {
    env: { ...process.env, GOBIN: folder, GOFLAGS: "-buildvcs=false" },
    stdio: "pipe",
    timeout: buildMs,
  });
  return path;
}
