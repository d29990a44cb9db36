import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, counted, kpiValue, localTimes, percent, relative, sentence, short, timeTicks } from "./format.ts";

const now = Date.parse("2026-11-22T12:00:00Z");

test("times are told in the coarsest unit that says enough", () => {
  assert.equal(relative(now - 400, now), "now");
  assert.equal(relative(now - 42_300, now), "42 s ago");
  assert.equal(relative(now - 5 * 60_000, now), "5 min ago");
  assert.equal(relative(now - 3 * 3_600_000, now), "3 h ago");
  assert.equal(relative(now - 12 * 86_400_000, now), "12 d ago");
  assert.equal(relative(now + 18_000, now), "in 18 s");
});

test("shares show as many digits as they have, and no more", () => {
  assert.equal(percent(0.05), "5 %");
  assert.equal(percent(0.9995), "99.95 %");
  assert.equal(percent(1), "100 %");
});

test("a KPI without anything to count is no zero", () => {
  assert.equal(kpiValue(null, "ratio"), "–");
  assert.equal(kpiValue(0, "ms"), "0 ms");
});

test("a KPI close under its whole keeps the digit that matters", () => {
  assert.equal(kpiValue(0.99871, "ratio"), "99.871 %");
  assert.equal(kpiValue(0.71, "ratio"), "71 %");
});

test("one device is not plural", () => {
  assert.equal(counted(1, "device"), "1 device");
  assert.equal(counted(1_200, "device"), "1,200 devices");
});

test("a sentence of the server shows the reader's clock", () => {
  assert.match(localTimes("Its lease lasts until 2026-11-22T21:55:18.926Z."), /^Its lease lasts until \d{2}:\d{2}:18\.$/);
});

test("a time axis tells the day once, and seconds only where its steps are shorter than a minute", () => {
  const noon = Date.parse("2026-11-22T12:00:00") / 1_000;
  assert.deepEqual(timeTicks([noon, noon + 300]), ["12:00\n22 Nov", "12:05"]);
  assert.deepEqual(timeTicks([noon, noon + 5]), ["12:00:00\n22 Nov", "12:00:05"]);
});

test("sizes use decimal units", () => {
  assert.equal(bytes(999), "999 B");
  assert.equal(bytes(1_843_200), "1.8 MB");
});

test("codes read as words and hashes keep their beginning", () => {
  assert.equal(sentence("silent_after_reboot"), "Silent after reboot");
  assert.equal(short("0123456789abcdef", 8), "01234567…");
});
