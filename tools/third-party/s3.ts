/**
 * The S3 side of the artifact store against Versity S3 Gateway, a server that others wrote, built here from its Go module. The suite is the contract's
 * own: `kernel/blobs`; and an upload whose pieces lie there.
 */
import { spawnSync } from "node:child_process";
import { findS3Server } from "@tenfold/testkit";
import { goTool } from "./go-tools.ts";
import { type Counts, steps } from "./steps.ts";

const module = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";

export async function runAlone(): Promise<Counts> {
  const counts = steps("s3");
  let binary = findS3Server();
  await counts.step("the server builds", async () => {
    binary ??= await goTool(module);
  });
  if (binary === undefined) return counts;
  const test = spawnSync(process.execPath, ["tools/test.ts", "kernel/blobs", "releases/uploads"], {
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
