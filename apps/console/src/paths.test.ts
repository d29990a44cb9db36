import assert from "node:assert/strict";
import { test } from "node:test";
import { pathOfSubject, paths } from "./paths.ts";

test("every path starts at the root and none is used twice", () => {
  const all = [
    paths.overview(),
    paths.kpis(),
    paths.devices(),
    paths.device("a"),
    paths.rollouts(),
    paths.newRollout(),
    paths.rollout("a"),
    paths.haltReport("a"),
    paths.plans(),
    paths.editPlan(),
    paths.freezes(),
    paths.pins(),
    paths.metadata(),
    paths.releases(),
    paths.release("a"),
    paths.alerts(),
    paths.enrollment(),
    paths.audit(),
    paths.access(),
    paths.signIn(),
    paths.setUp(),
  ];
  assert.ok(all.every((path) => path.startsWith("/")));
  assert.equal(new Set(all).size, all.length);
});

test("a filter survives the way through the URL", () => {
  const filter = 'tag:site="new york" fw:<1.4.0 -lastSeen:>2h';
  const url = new URL(paths.devices({ filter }), "http://console");
  assert.equal(url.searchParams.get("filter"), filter);
});

test("an empty filter leaves no question mark behind", () => {
  assert.equal(paths.devices({ filter: "" }), "/devices");
});

test("an id with a colon stays one part of the path", () => {
  assert.equal(paths.device("acme:00:17"), "/devices/acme%3A00%3A17");
});

test("a subject without a page has no path", () => {
  assert.equal(pathOfSubject({ kind: "rollout", id: "rol_1" }), "/rollouts/rol_1");
  assert.equal(pathOfSubject({ kind: "weather", id: "x" }), undefined);
});
