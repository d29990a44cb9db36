import assert from "node:assert/strict";
import { test } from "node:test";
import { brokenRule, importsOf } from "./architecture.ts";

const platform = "apps/platform/src";
const edge = (from: string, to: string) => ({ from, to, typeOnly: false });

test("each planted breach is caught, by name", () => {
  const breaches: [string, string, RegExp][] = [
    ["packages/base/src/id.ts", "packages/contracts/src/index.ts", /may import: nothing of ours/],
    ["packages/pki/src/csr.ts", "packages/ota/src/index.ts", /packages\/pki may import: base/],
    ["apps/cli/src/main.ts", "apps/platform/src/main.ts", /an app is imported by nobody/],
    ["apps/console/src/main.tsx", "packages/pki/src/index.ts", /apps\/console may import/],
    ["apps/platform/src/links/index.ts", "packages/device/src/index.ts", /apps\/platform may import/],
    [`${platform}/registry/store.ts`, `${platform}/rollouts/index.ts`, /does not stand in an earlier row/],
    [`${platform}/links/index.ts`, `${platform}/enrollment/index.ts`, /does not stand in an earlier row/],
    [`${platform}/rollouts/store.ts`, `${platform}/registry/store.ts`, /entered through its index.ts/],
    [`${platform}/rollouts/plan.ts`, "node:fs", /touch the world/],
    [`${platform}/rollouts/plan.ts`, "kysely", /touch the world/],
    [`${platform}/rollouts/plan.ts`, `${platform}/kernel/index.ts`, /touch the world/],
    [`${platform}/rollouts/plan.ts`, `${platform}/rollouts/plan.test.ts`, /product code imports no test/],
    [`${platform}/surprise/index.ts`, `${platform}/kernel/index.ts`, /stands in no row/],
    ["apps/agent/src/main.ts", "packages/testkit/src/index.ts", /apps\/agent may import/],
  ];
  for (const [from, to, rule] of breaches) assert.match(brokenRule(edge(from, to)) ?? "no rule broken", rule, `${from} -> ${to}`);
});

test("what the table allows passes", () => {
  const fine: [string, string][] = [
    [`${platform}/rollouts/store.ts`, "kysely"],
    [`${platform}/rollouts/index.ts`, `${platform}/registry/index.ts`],
    [`${platform}/rollouts/plan.ts`, `${platform}/rollouts/gate.ts`],
    [`${platform}/rollouts/plan.test.ts`, `${platform}/kernel/testing.ts`],
    ["apps/platform/test/fleet.ts", "packages/device/src/index.ts"],
    ["packages/device/src/brain.test.ts", "packages/testkit/src/index.ts"],
    ["apps/simulator/src/fleet.ts", "packages/testkit/src/index.ts"],
  ];
  for (const [from, to] of fine) assert.equal(brokenRule(edge(from, to)), undefined, `${from} -> ${to}`);
  assert.equal(brokenRule({ from: `${platform}/rollouts/plan.ts`, to: `${platform}/kernel/index.ts`, typeOnly: true }), undefined);
});

test("imports are found in every form in which they are written", () => {
  const source = `import a from "./a.ts";\nimport type { B } from "@tenfold/base";\nexport * from './c.ts';\nimport "./d.ts";\nconst e = await import("./e.ts");\n`;
  assert.deepEqual(
    importsOf("packages/x/src/y.ts", source).map(({ to, typeOnly }) => [to, typeOnly]),
    [
      ["packages/x/src/a.ts", false],
      ["packages/base/src/index.ts", true],
      ["packages/x/src/c.ts", false],
      ["packages/x/src/d.ts", false],
      ["packages/x/src/e.ts", false],
    ],
  );
});
