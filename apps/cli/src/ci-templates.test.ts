import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Command } from "commander";
import { parse, parseAllDocuments } from "yaml";
import { createProgram } from "./program.ts";

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");

type Action = {
  inputs: Record<string, { description?: string; required?: boolean; default?: string }>;
  outputs: Record<string, { value: string }>;
  runs: { using: string; steps: { id?: string; shell?: string; run: string; env: Record<string, string>; if?: string }[] };
};
type Component = {
  spec: { inputs: Record<string, { description?: string; default?: string }> };
  "tenfold-release": { script: string[]; id_tokens: Record<string, { aud: string }>; variables: Record<string, string> };
};

// What these files hold is what the test looks at, and it fails where it is not as said.
const action = parse(read("deploy/ci/github/action.yml")) as Action;
const component = Object.assign(
  {},
  ...parseAllDocuments(read("deploy/ci/gitlab/templates/release.yml")).map((one) => one.toJS()),
) as Component;

/** Every command of ours in a script, as its words; the rest of the shell is passed over. */
function commandsIn(script: string): string[][] {
  return [...script.matchAll(/(?:\$CLI|\btenfold)((?: +(?:--?[a-z][a-z-]*|[a-z][a-z-]*))+)([^\n|;`]*)/g)].map(
    ([, words = "", rest = ""]) => [
      ...words.trim().split(/ +/),
      ...[...rest.matchAll(/(?<=\s)--[a-z][a-z-]*/g)].map(([flag]) => flag),
    ],
  );
}

/** What of a command the command line does not know. */
function unknownIn(words: readonly string[], program: Command): string[] {
  const [noun, verb] = words.filter((word) => !word.startsWith("-"));
  const found = program.commands.find((one) => one.name() === noun);
  if (found === undefined) return [`command ${noun}`];
  const command = found.commands.length === 0 ? found : found.commands.find((one) => one.name() === verb);
  if (command === undefined) return [`command ${noun} ${verb}`];
  const known = new Set([...command.options, ...program.options].map(({ long }) => long));
  return words.filter((word) => word.startsWith("--") && !known.has(word)).map((flag) => `${noun} ${verb} ${flag}`);
}

test("every command and flag in the pipeline templates and their page exists", () => {
  const program = createProgram();
  const sources = {
    action: action.runs.steps.map(({ run }) => run).join("\n"),
    component: component["tenfold-release"].script.join("\n"),
    page: read("docs/operate/ci.md"),
  };
  for (const [name, script] of Object.entries(sources)) {
    // Flags that are gathered in a variable first are the create's or the start's.
    const gathered = [...script.matchAll(/(?:more\+=\(|set -- (?:"\$@" )?)(--[a-z-]+)/g)].map(([, flag = ""]) => flag);
    const commands = commandsIn(script);
    assert.ok(commands.length >= 5, `${name}: only ${commands.length} commands were found`);
    for (const words of commands) assert.deepEqual(unknownIn(words, program), [], `${name}: ${words.join(" ")}`);
    const starts = ["--filter"];
    for (const flag of gathered)
      assert.deepEqual(
        unknownIn([...(starts.includes(flag) ? ["rollout", "start"] : ["release", "create"]), flag], program),
        [],
        name,
      );
  }
  assert.deepEqual(unknownIn(["release", "create", "--no-such"], program), ["release create --no-such"], "the test can fail");
});

test("the action uses the inputs that it declares, all of them, and never pastes one into a script", () => {
  const text = JSON.stringify(action.runs);
  const used = new Set([...text.matchAll(/inputs\.([a-z-]+)/g)].map(([, name]) => name));
  assert.deepEqual([...used].toSorted(), Object.keys(action.inputs).toSorted());
  for (const { run, shell, env } of action.runs.steps) {
    assert.equal(shell, "bash");
    assert.ok(!run.includes("${{"), "[docs.github.com, script injections] a script takes its inputs from the environment");
    for (const name of run.match(
      /(?<=\$\{?)(CLI|FILE|RELEASE|ROLLOUT|PLAN|TIMEOUT|FILTER|ENVELOPE|SBOM|PROVENANCE|NOTES|CHANNEL)\b/g,
    ) ?? [])
      assert.ok(name in env, `${name} is not in the step's environment`);
  }
  const ids = action.runs.steps.flatMap(({ id }) => id ?? []);
  for (const { value } of Object.values(action.outputs)) assert.ok(ids.includes(/steps\.([a-z]+)\./.exec(value)?.[1] ?? ""), value);
});

test("the component gives the job a token for the server, and uses the inputs that it declares", () => {
  const { id_tokens, variables } = component["tenfold-release"];
  assert.deepEqual(id_tokens, { TENFOLD_ID_TOKEN: { aud: "$[[ inputs.url ]]" } });
  assert.equal(variables.TENFOLD_URL, "$[[ inputs.url ]]");
  const used = new Set([...JSON.stringify(component["tenfold-release"]).matchAll(/inputs\.([a-z-]+)/g)].map(([, name]) => name));
  assert.deepEqual([...used].toSorted(), Object.keys(component.spec.inputs).toSorted());
});
