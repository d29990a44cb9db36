import assert from "node:assert/strict";
import { test } from "node:test";
import { api, liveEventTypes } from "@tenfold/contracts";
import { isTouched, touchedBy } from "./touched.ts";

const about = (type: (typeof liveEventTypes)[number], subject: string, data = {}) => touchedBy({ type, subject, data });

test("every event of the stream names operations that exist", () => {
  for (const type of liveEventTypes) {
    for (const { operation } of about(type, "dev-1")) assert.ok(operation in api, `${type} touches ${operation}`);
  }
});

test("a contact makes the list stale, and the page of that device only", () => {
  const touched = about("device.contact", "dev-1");
  assert.ok(isTouched(["listDevices", { query: { filter: "status:late" } }], touched));
  assert.ok(isTouched(["getDevice", { params: { id: "dev-1" } }], touched));
  assert.ok(!isTouched(["getDevice", { params: { id: "dev-2" } }], touched));
});

test("contacts that come as one event for many touch each of their devices", () => {
  const touched = about("device.contact", "batch", { devices: [{ id: "dev-1" }, { id: "dev-2" }] });
  assert.ok(isTouched(["getDevice", { params: { id: "dev-2" } }], touched));
  assert.ok(!isTouched(["getDevice", { params: { id: "dev-3" } }], touched));
});

test("stored telemetry leaves the fleet's lists alone", () => {
  const touched = about("telemetry.stored", "dev-1");
  assert.ok(!isTouched(["listDevices", { query: {} }], touched));
  assert.ok(isTouched(["getDeviceTelemetry", { params: { id: "dev-1" }, query: { metric: "t" } }], touched));
});

test("a step of a deployment touches its rollout and its device", () => {
  const touched = about("deployment.changed", "dev-1", { rollout: "rol_1" });
  assert.ok(isTouched(["getRollout", { params: { id: "rol_1" } }], touched));
  assert.ok(isTouched(["listDeviceDeployments", { params: { id: "dev-1" } }], touched));
});
