import assert from "node:assert/strict";
import { test } from "node:test";
import type { MaintenanceWindow } from "@tenfold/contracts";
import fc from "fast-check";
import { closingsAfter, isZone, lengthOf, windowsAt } from "./windows.ts";

const berlin = (over: Partial<MaintenanceWindow>): MaintenanceWindow => ({
  from: "02:00",
  to: "03:00",
  zone: "Europe/Berlin",
  ...over,
});
const judge = (at: string, window: MaintenanceWindow, tags = {}) => windowsAt(Date.parse(at))([window], tags);
const opensAt = (at: string, window: MaintenanceWindow) => {
  const opening = judge(at, window);
  return opening.is === "open" ? "open" : new Date(opening.until ?? 0).toISOString();
};

test("a window is open by the wall clock of its zone, in summer and in winter", () => {
  const night = berlin({ from: "01:00", to: "05:00" });
  assert.equal(judge("2026-01-15T00:30:00Z", night).is, "open");
  assert.equal(judge("2026-07-15T00:30:00Z", night).is, "open", "02:30 in summer");
  assert.equal(judge("2026-07-14T23:30:00Z", night).is, "open", "01:30 in summer");
  assert.equal(judge("2026-01-14T23:30:00Z", night).is, "closed", "00:30 in winter");
  assert.equal(opensAt("2026-01-14T22:00:00Z", night), "2026-01-15T00:00:00.000Z");
  assert.equal(opensAt("2026-07-14T22:00:00Z", night), "2026-07-14T23:00:00.000Z");
});

test("an hour that the clock skips is not there: the window opens the day after, and one that reaches beyond it opens with the next hour", () => {
  // Berlin, 29 March 2026: 02:00 becomes 03:00 at 01:00 UTC.
  assert.equal(opensAt("2026-03-29T00:30:00Z", berlin({})), "2026-03-30T00:00:00.000Z");
  assert.equal(opensAt("2026-03-29T00:30:00Z", berlin({ from: "02:30", to: "04:00" })), "2026-03-29T01:00:00.000Z");
  assert.equal(judge("2026-03-29T01:59:00Z", berlin({ from: "02:30", to: "04:00" })).is, "open", "03:59");
  assert.equal(judge("2026-03-29T02:00:00Z", berlin({ from: "02:30", to: "04:00" })).is, "closed", "04:00");
});

test("a weekly window that a change of the clocks swallows is there the week after", () => {
  assert.equal(opensAt("2026-03-28T12:00:00Z", berlin({ days: ["sun"] })), "2026-04-05T00:00:00.000Z");
});

test("an hour that the clock repeats is there twice", () => {
  // Berlin, 25 October 2026: 03:00 becomes 02:00 at 01:00 UTC.
  const repeated = berlin({});
  assert.equal(judge("2026-10-24T23:59:00Z", repeated).is, "closed");
  assert.equal(judge("2026-10-25T00:30:00Z", repeated).is, "open", "02:30, summer time");
  assert.equal(judge("2026-10-25T01:30:00Z", repeated).is, "open", "02:30 again, winter time");
  assert.equal(judge("2026-10-25T02:00:00Z", repeated).is, "closed", "03:00");
});

test("zones whose clocks change by half an hour, or lie a quarter beside the hour, are no exception", () => {
  const lordHowe = berlin({ from: "02:00", to: "02:30", zone: "Australia/Lord_Howe" });
  // 4 October 2026: 02:00 becomes 02:30, at 15:30 UTC of the day before.
  assert.equal(opensAt("2026-10-03T15:00:00Z", lordHowe), "2026-10-04T15:00:00.000Z");
  assert.equal(opensAt("2026-05-05T10:00:00Z", berlin({ zone: "Asia/Kathmandu" })), "2026-05-05T20:15:00.000Z");
});

test("a window that passes midnight belongs to the day on which it opens", () => {
  const friday = berlin({ days: ["fri"], from: "22:00", to: "04:00", zone: "UTC" });
  assert.equal(judge("2026-06-05T23:00:00Z", friday).is, "open", "Friday evening");
  assert.equal(judge("2026-06-06T03:59:00Z", friday).is, "open", "Saturday morning");
  assert.equal(judge("2026-06-05T03:00:00Z", friday).is, "closed", "Friday morning");
  assert.equal(judge("2026-06-06T23:00:00Z", friday).is, "closed", "Saturday evening");
});

test("each device's own zone comes from its tag; without one, or with one that is none, it stays closed", () => {
  const own = berlin({ from: "01:00", to: "05:00", zone: "tag:tz" });
  assert.equal(judge("2026-06-05T17:00:00Z", own, { tz: "Asia/Tokyo" }).is, "open");
  assert.equal(judge("2026-06-05T17:00:00Z", own, { tz: "Europe/Berlin" }).is, "closed");
  assert.equal(judge("2026-06-05T17:00:00Z", own).is, "closed");
  assert.equal(judge("2026-06-05T17:00:00Z", own, { tz: "+09:00" }).is, "closed");
});

test("a window for devices with a tag binds only those; of several windows one that is open is enough", () => {
  const site = berlin({ tag: "site=berlin", zone: "UTC" });
  const noon = windowsAt(Date.parse("2026-06-05T12:00:00Z"));
  assert.equal(noon([site], { site: "paris" }).is, "open");
  assert.equal(noon([site], { site: "berlin" }).is, "closed");
  assert.equal(noon([site, berlin({ from: "11:00", to: "13:00", zone: "UTC" })], { site: "berlin" }).is, "open");
});

test("names that are no zones are known", () => {
  assert.deepEqual(["Europe/Berlin", "UTC", "America/Argentina/Ushuaia"].map(isZone), [true, true, true]);
  assert.deepEqual(["Europe/Atlantis", "+02:00", "", "tag:tz", "Europe/Berlin; drop"].map(isZone), [
    false,
    false,
    false,
    false,
    false,
  ]);
});

const zones = fc.constantFrom(
  "Europe/Berlin",
  "America/New_York",
  "Australia/Lord_Howe",
  "Asia/Kathmandu",
  "UTC",
  "America/St_Johns",
);
const time = fc
  .integer({ min: 0, max: 95 })
  .map((q) => `${String(Math.floor(q / 4)).padStart(2, "0")}:${String((q % 4) * 15).padStart(2, "0")}`);

test("whenever a window is said to open, it opens then and not a minute before", () => {
  fc.assert(
    fc.property(zones, time, time, fc.integer({ min: 0, max: 365 * 24 * 60 }), (zone, from, to, minute) => {
      const window: MaintenanceWindow = { from, to, zone };
      const now = Date.UTC(2026, 0, 1) + minute * 60_000;
      const opening = windowsAt(now)([window], {});
      if (opening.is === "open") return;
      assert.ok(opening.until !== undefined && opening.until > now && opening.until <= now + 49 * 3_600_000);
      assert.equal(windowsAt(opening.until)([window], {}).is, "open");
      if (opening.until - 60_000 > now) assert.equal(windowsAt(opening.until - 60_000)([window], {}).is, "closed");
      assert.ok(lengthOf(window) > 0);
    }),
    { numRuns: 150 },
  );
});

const closesAt = (now: string, windows: MaintenanceWindow[], tags: Record<string, string> = {}) => {
  const at = closingsAfter(Date.parse(now))([windows], tags);
  return at === undefined ? undefined : new Date(at).toISOString();
};

test("an open window closes when its clock says so, also where the clock is changed before", () => {
  const night = berlin({ from: "22:00", to: "04:00" });
  assert.equal(closesAt("2026-06-05T21:00:00Z", [night]), "2026-06-06T02:00:00.000Z");
  // 29 March 2026: 02:00 becomes 03:00; 25 October 2026: 03:00 becomes 02:00.
  assert.equal(closesAt("2026-03-28T22:00:00Z", [night]), "2026-03-29T02:00:00.000Z");
  assert.equal(closesAt("2026-10-24T22:00:00Z", [night]), "2026-10-25T03:00:00.000Z");
  // An end within the hour that is skipped, and one within the hour that is there twice: closed in between.
  assert.equal(closesAt("2026-03-28T22:00:00Z", [berlin({ from: "22:00", to: "02:30" })]), "2026-03-29T01:00:00.000Z");
  assert.equal(closesAt("2026-10-24T22:00:00Z", [berlin({ from: "22:00", to: "02:30" })]), "2026-10-25T00:30:00.000Z");
  assert.equal(closesAt("2026-06-05T12:00:00Z", [berlin({ from: "00:00", to: "23:55", zone: "UTC" })]), "2026-06-05T23:55:00.000Z");
});

test("of several open windows the last to close counts, of several lists the first; what never closes has no end", () => {
  const until = (to: string) => berlin({ from: "10:00", to, zone: "UTC" });
  assert.equal(closesAt("2026-06-05T11:00:00Z", [until("12:00"), until("14:00")]), "2026-06-05T14:00:00.000Z");
  const noon = closingsAfter(Date.parse("2026-06-05T11:00:00Z"));
  assert.equal(noon([[until("12:00")], [until("14:00")], []], {}), Date.parse("2026-06-05T12:00:00Z"));
  assert.equal(noon([[berlin({ from: "00:00", to: "00:00" })]], {}), undefined);
  assert.equal(noon([[berlin({ tag: "site=berlin" })]], { site: "paris" }), undefined);
});
