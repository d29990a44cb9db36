import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultScope } from "@tenfold/base";
import { Directory } from "../directory.ts";
import { Budget, type Endpoint } from "../endpoint.ts";
import { farewells } from "../farewells.ts";
import { defaultLimits } from "../limits.ts";
import type { Admission } from "../link.ts";
import { ownTopics } from "../topics.ts";
import { Conversation } from "./conversation.ts";

/** An endpoint that remembers what it was told. */
function endpointOf(told: string[]): Endpoint {
  return {
    limits: defaultLimits,
    topics: ownTopics,
    directory: new Directory(),
    budget: new Budget(1_000, () => false),
    tick: () => 0,
    now: () => 0,
    openCount: () => 0,
    mayConnect: () => true,
    reconnectWithinS: () => 30,
    receive: async () => ({ is: "stored" }),
    downlink: async () => undefined,
    pending: async () => [],
    delivered: () => {},
    refused: ({ because }) => told.push(`refused ${because}`),
    opened: () => told.push("opened"),
    closed: (_identity, { because }) => told.push(`closed ${because}`),
    inputRefused: () => {},
    contact: () => {},
    counted: () => {},
    failed: (event) => told.push(event),
  };
}

const admitted: Admission = { is: "admit", device: "pump-1", scope: defaultScope, fingerprint: "aa" };

const connect = Buffer.from("00044d5154540502000a000000", "hex");
const body = { bytes: connect, from: 0, to: connect.length };

test("[M3] a device that left before its certificate was judged is not listed afterwards", async () => {
  const [told, verdict] = [[] as string[], Promise.withResolvers<Admission>()];
  const endpoint = endpointOf(told);
  const wire = { send: () => {}, end: () => {}, readOn: () => {} };
  const conversation = new Conversation({ endpoint, wire, judge: () => verdict.promise, remoteAddress: undefined });
  conversation.lost();
  verdict.resolve(admitted);
  await new Promise(setImmediate);
  assert.deepEqual([endpoint.directory.all(), told], [[], []]);
});

test("[M21] a device that is barred after it was admitted, but before it said CONNECT, is closed and not let in", async () => {
  const told: string[] = [];
  const endpoint = endpointOf(told);
  let ended = false;
  const wire = {
    send: () => {},
    end: () => {
      ended = true;
    },
    readOn: () => {},
  };
  const conversation = new Conversation({ endpoint, wire, judge: async () => admitted, remoteAddress: undefined });
  await new Promise(setImmediate);
  assert.equal(endpoint.directory.close("pump-1", farewells.barred("device_suspended", "The device was suspended.")), 1);
  assert.deepEqual([ended, conversation.over, told], [true, true, ["refused device_suspended"]]);
  assert.deepEqual(endpoint.directory.all(), []);
});

test("[M3] where a certificate cannot be judged now, the device is told to try again, and nothing breaks", async () => {
  const told: string[] = [];
  const sent: Buffer[] = [];
  const wire = { send: () => {}, end: (last?: Buffer) => void (last && sent.push(last)), readOn: () => {} };
  const judge = async () => Promise.reject<Admission>(new Error("The database is gone."));
  const conversation = new Conversation({ endpoint: endpointOf(told), wire, judge, remoteAddress: undefined });
  conversation.take({ is: "frame", first: 0x10, ...body, minimal: true });
  await new Promise(setImmediate);
  assert.deepEqual([sent[0]?.[0], sent[0]?.[3], told], [0x20, 0x88, ["refused admission_unavailable"]]);
});

test("something that fails inside ends this connection with a word in the log, and nothing else", async () => {
  const told: string[] = [];
  const broken: Endpoint = { ...endpointOf(told), contact: () => assert.fail("a part that fails") };
  const wire = { send: () => {}, end: () => {}, readOn: () => {} };
  const conversation = new Conversation({ endpoint: broken, wire, judge: async () => admitted, remoteAddress: undefined });
  conversation.take({ is: "frame", first: 0x10, ...body, minimal: true });
  await new Promise(setImmediate);
  assert.deepEqual([conversation.over, told], [true, ["opened", "link.failed", "closed internal"]]);
});
