/**
 * What `deploy/` holds, read by the programs that will read it: systemd's own check, Prometheus' promtool, and Helm (built here from its Go module). The
 * tests are those of deploy/deploy.test.ts, none of them skipped.
 */
import { spawnSync } from "node:child_process";
import { delimiter } from "node:path";
import { goTool, toolsFolder } from "./go-tools.ts";
import { type Counts, steps } from "./steps.ts";

const module = "helm.sh/helm/v3/cmd/helm@v3.22.0";

export async function runAlone(): Promise<Counts> {
  const counts = steps("deploy");
  await counts.step("Helm builds", async () => void (await goTool(module)));
  const test = spawnSync(process.execPath, ["tools/test.ts", "deploy/"], {
    encoding: "utf8",
    env: { ...process.env, PATH: `${process.env.PATH}${delimiter}${toolsFolder}` },
    timeout: 300_000,
  });
  for (const line of test.stdout.split("\n")) {
    const [, mark, sentence] = /^\s*([✔✖﹣]) (.*?) \([\d.]+ms\)/.exec(line) ?? [];
    if (sentence === undefined || sentence === "compose" || sentence === "Helm") continue;
    await counts.step(sentence, async () => {
      if (mark === "﹣") throw new Error("skipped, although everything it needs was to be here");
      if (mark !== "✔") throw new Error(test.stdout.slice(test.stdout.indexOf("failing tests")));
    });
  }
  return counts;
}
