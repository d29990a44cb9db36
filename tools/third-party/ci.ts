/**
 * The pipeline templates of deploy/ci against the schemas that are published for them: SchemaStore's of an action's metadata, and GitLab's own of CI
 * configuration, `spec:inputs` included, as check-jsonschema carries both.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { providePython } from "./python.ts";
import { type Counts, same, steps } from "./steps.ts";

const execute = promisify(execFile);
const templates = { action: "deploy/ci/github/action.yml", component: "deploy/ci/gitlab/templates/release.yml" };

export async function runAlone(): Promise<Counts> {
  const found = providePython("ci-schemas", ["check-jsonschema==0.39.0"]);
  if ("missing" in found) {
    console.log(`- ci: skipped, because ${found.missing}`);
    return { passed: 0, failed: 0, skipped: 1 };
  }
  const folder = await mkdtemp(join(tmpdir(), "tenfold-ci-schemas-"));
  /** What the schema says of these documents: "" where they are as it asks. */
  const complaintOf = async (schema: "github-actions" | "gitlab-ci", documents: readonly string[]): Promise<string> => {
    const files = documents.map((_, i) => join(folder, `${i}.yml`));
    for (const [i, file] of files.entries()) await writeFile(file, documents[i] ?? "");
    const transform = schema === "gitlab-ci" ? ["--data-transform", "gitlab-ci"] : [];
    const words = ["-m", "check_jsonschema", "--builtin-schema", `vendor.${schema}`, ...transform, ...files];
    return execute(found.python, words, { timeout: 60_000 }).then(
      () => "",
      (error: { stdout?: string; stderr?: string }) => `${error.stdout ?? ""}${error.stderr ?? ""}` || String(error),
    );
  };
  try {
    const suite = steps("ci");
    const action = await readFile(templates.action, "utf8");
    // A component is two documents: what it takes, and the jobs.
    const component = (await readFile(templates.component, "utf8")).split(/^---$/m);
    await suite.step("the action is as SchemaStore's schema of action metadata asks", async () =>
      same(await complaintOf("github-actions", [action]), ""),
    );
    await suite.step("the component's inputs and its job are as GitLab's schema asks", async () => {
      same(component.length, 2);
      same(await complaintOf("gitlab-ci", component), "");
    });
    await suite.step("an input that is misspelt, and a job that is, would be found", async () => {
      const wrong = [
        await complaintOf("github-actions", [action.replace("    required: true", "    requird: true")]),
        await complaintOf(
          "gitlab-ci",
          component.map((document) => document.replace("  inputs:", "  input:")),
        ),
        await complaintOf(
          "gitlab-ci",
          component.map((document) => document.replace("  script:", "  scripts:")),
        ),
      ];
      same(
        wrong.map((complaint) => /Schema validation errors/.test(complaint)),
        [true, true, true],
      );
    });
    return suite;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
