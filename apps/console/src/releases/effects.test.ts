import assert from "node:assert/strict";
import { test } from "node:test";
import { retirement, revocation } from "./effects.ts";

const used = (id: string, phase: "running" | "completed") => ({ phase, release: { id } });

test("retiring says which open rollouts pause, who keeps it, and that it can be reinstated", () => {
  const says = retirement({ id: "rel_1", devices: 1 }, [
    used("rel_1", "running"),
    used("rel_1", "completed"),
    used("rel_2", "running"),
  ]);
  assert.equal(
    says,
    "No new rollout may use it. 1 open rollout of it will pause. 1 device that runs it will keep it. It can be reinstated.",
  );
});

test("revoking a key counts the releases that it alone has signed, and says that it is for good", () => {
  const releases = [
    { id: "rel_1", devices: 3, signedBy: ["a"] },
    { id: "rel_2", devices: 4, signedBy: ["a", "b"] },
    { id: "rel_3", devices: 5, signedBy: [] },
  ];
  const says = revocation("a", { releases, rollouts: [used("rel_1", "running"), used("rel_2", "running")] });
  assert.match(says, /^This cannot be undone/);
  assert.match(
    says,
    /1 release signed by it alone can be rolled out no more; 1 open rollout of it will pause\. 3 devices that run/,
  );
});

test("revoking a key that signed nothing alone says so", () => {
  assert.match(revocation("b", { releases: [], rollouts: [] }), /No release is signed by it alone\.$/);
});
