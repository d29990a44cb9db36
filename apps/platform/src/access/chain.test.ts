import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChainEntry, chainStart, followChain, plainDetail, type Sealed, sealOf } from "./chain.ts";
import { sha256 } from "./secrets.shell.ts";

const entry = (seq: number): ChainEntry => ({
  seq,
  fleet: "main",
  at: "2026-11-22T20:00:00.000Z",
  actor: { kind: "person", id: "psn_1", name: "Ada" },
  action: "device.suspended",
  subject: { kind: "device", id: `device-${seq}` },
  detail: { reason: "lost", share: 0.1 },
});

function chainOf(length: number): Sealed[] {
  const chain: Sealed[] = [];
  for (let seq = 1; seq <= length; seq++)
    chain.push({ ...entry(seq), hash: sealOf(chain.at(-1)?.hash ?? chainStart, entry(seq), sha256) });
  return chain;
}

const start = { seq: 0, hash: chainStart };

test("a chain that nobody touched is whole, in one walk or in pages", () => {
  const chain = chainOf(10);
  const whole = followChain(start, chain, sha256);
  assert.equal(whole.is, "whole");
  const half = followChain(start, chain.slice(0, 5), sha256);
  assert.deepEqual(followChain(half.head, chain.slice(5), sha256), whole);
});

test("every field of an entry is under the seal, and a change is found at its number", () => {
  const changes: ((entry: Sealed) => Sealed)[] = [
    (one) => ({ ...one, at: "2026-11-22T20:00:00.001Z" }),
    (one) => ({ ...one, fleet: "other" }),
    (one) => ({ ...one, actor: { ...one.actor, name: "Eve" } }),
    (one) => ({ ...one, action: "device.activated" }),
    (one) => ({ ...one, subject: { ...one.subject, id: "device-99" } }),
    (one) => ({ ...one, detail: { ...one.detail, share: 0.2 } }),
    (one) => ({ ...one, hash: sha256("something else") }),
  ];
  for (const change of changes) {
    const tampered = chainOf(5).map((one) => (one.seq === 3 ? change(one) : one));
    const verdict = followChain(start, tampered, sha256);
    assert.deepEqual([verdict.is, verdict.is === "broken" && verdict.at], ["broken", 3]);
  }
});

test("an entry that was taken out is missed, and one that was put in is noticed", () => {
  const chain = chainOf(5);
  const without = followChain(
    start,
    chain.filter(({ seq }) => seq !== 2),
    sha256,
  );
  assert.deepEqual([without.is, without.is === "broken" && without.at], ["broken", 2]);
  const twice = followChain(
    start,
    chain.flatMap((one) => (one.seq === 4 ? [one, one] : [one])),
    sha256,
  );
  assert.deepEqual([twice.is, twice.is === "broken" && twice.at], ["broken", 5]);
});

test("the seal does not depend on the order in which a detail's members come back", () => {
  const one = { ...entry(1), detail: { a: 1, b: { c: "é", d: [0.5, null] } } };
  const other = { ...entry(1), detail: { b: { d: [0.5, null], c: "é" }, a: 1 } };
  assert.equal(sealOf(chainStart, one, sha256), sealOf(chainStart, other, sha256));
});

test("a detail loses what the database could not hold", () => {
  assert.deepEqual(plainDetail({ a: undefined, b: "x\0y", c: "\uD800", d: [new Date(0)], "e\0": 1 }), {
    b: "x\uFFFDy",
    c: "\uFFFD",
    d: ["1970-01-01T00:00:00.000Z"],
    "e\uFFFD": 1,
  });
});
