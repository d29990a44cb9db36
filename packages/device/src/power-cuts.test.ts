import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseMemory } from "./index.ts";
import { calm, type Firmware, newImage, oldImage, pretendWorld, sha256, type Tampering } from "./testing.ts";

test("an update goes through its stages, and the first confirmed heartbeat of the new firmware follows its trial", async () => {
  const world = pretendWorld("good", calm);
  await world.run();
  assert.deepEqual(world.seen.reports, ["downloading", "downloaded", "verified", "installing", "rebooting", "validating"]);
  const news = world.seen.heartbeats.filter(({ version }) => version === "2.0.0");
  assert.deepEqual([news[0]?.state, news[1]?.state], ["trial", "confirmed"]);
  assert.equal(world.disk.boot.good, "b");
});

for (const [firmware, told] of [
  ["crashes_at_start", "rolled_back:boot_loop"],
  ["fails_self_test", "rolled_back:validate_self_test_failed"],
  ["cannot_connect", "rolled_back:validate_self_test_failed"],
  ["wrong_bytes", "failed:download_hash_mismatch"],
] as const) {
  test(`firmware that ${firmware.replaceAll("_", " ")} ends on the old firmware, and the platform is told why`, async () => {
    const world = pretendWorld(firmware, calm);
    await world.run();
    assert.equal(world.seen.reports.at(-1), told);
    assert.equal(world.seen.heartbeats.at(-1)?.version, "1.0.0");
    assert.equal(world.seen.heartbeats.at(-1)?.state, "confirmed");
    assert.equal(world.disk.boot.good, "a");
  });
}

test("firmware that crashes at start is started three times", async () => {
  const world = pretendWorld("crashes_at_start", calm);
  await world.run();
  assert.deepEqual(world.seen.starts, ["a", "b", "b", "b", "a"]);
});

const anyFirmware = fc.constantFrom<Firmware>("good", "wrong_bytes", "crashes_at_start", "fails_self_test", "cannot_connect");
const anyWeather = fc.record({
  cuts: fc.array(fc.integer({ min: 2, max: 160 }), { maxLength: 8 }),
  dropsLink: fc.constantFrom(0, 0.05, 0.3),
  seed: fc.nat(),
});

test("whatever fails and whenever the power is cut, a device ends on the old or the new firmware, and tells the truth about it", async () => {
  await fc.assert(
    fc.asyncProperty(anyFirmware, anyWeather, async (firmware, weather) => {
      const world = pretendWorld(firmware, weather);
      await world.run();
      const { seen, disk } = world;
      const last = seen.heartbeats.at(-1);
      // Old or new, confirmed, and startable.
      assert.equal(disk.boot.trial, undefined);
      assert.ok(world.startable(disk.boot.good));
      assert.equal(last?.state, "confirmed");
      assert.equal(last?.version, disk.boot.good === "a" ? "1.0.0" : "2.0.0");
      if (firmware !== "good") assert.equal(last?.version, "1.0.0");
      // Never a wrong hash.
      const honest = { "1.0.0": sha256(oldImage), "2.0.0": sha256(newImage) } as Record<string, string>;
      for (const { version, hash } of seen.heartbeats) assert.equal(hash, honest[version]);
      // The count never goes back, and no number is used twice.
      for (const [i, { seq }] of seen.heartbeats.entries()) assert.ok(i === 0 || seq > (seen.heartbeats[i - 1]?.seq ?? -1));
      // [U17] Between the report of the reboot and the trial the old firmware does not speak again, unless the trial was given up.
      if (firmware === "good" && last?.version === "2.0.0") assert.equal(seen.oldSpokeAfterReboot, false);
      // The end was told, except success, which only a heartbeat tells.
      const ends = seen.reports.filter((report) => /failed|rolled_back/.test(report));
      assert.equal(ends.length > 0, last?.version === "1.0.0");
      assert.equal(parseMemory(disk.memory ?? "").update, undefined);
    }),
    { numRuns: 400 },
  );
});

test("power cut at each single step of an update that is good ends on the new firmware", async () => {
  for (let cut = 2; cut < 120; cut++) {
    const world = pretendWorld("good", { ...calm, cuts: [cut] });
    await world.run();
    assert.equal(world.seen.heartbeats.at(-1)?.version, "2.0.0", `cut at ${cut}`);
  }
});

/** Closed for the first ten minutes, then open for half an hour. */
const opensAfterMs = 600_000;
const inWindow: Tampering["says"] = (offer, mono) =>
  mono < opensAfterMs
    ? { ...offer, maintenanceWindow: "unavailable" }
    : { ...offer, maintenanceWindow: "available", windowClosesInS: 1_800 };

test("ahead of its window a device downloads and verifies, and installs when it opens; what lay there is verified once more", async () => {
  const world = pretendWorld("good", calm, { says: inWindow });
  await world.run();
  assert.deepEqual(world.seen.reports, [
    ...["downloading", "downloaded", "verified"],
    ...["downloaded", "verified", "installing", "rebooting", "validating"],
  ]);
  assert.ok(world.seen.installedAt.every((at) => at >= opensAfterMs));
  assert.equal(world.seen.heartbeats.at(-1)?.version, "2.0.0");
});

test("power cut at each step between download and installation: nothing is installed before the window, and nothing downloaded twice", async () => {
  for (let cut = 2; cut < 160; cut++) {
    const world = pretendWorld("good", { ...calm, cuts: [cut] }, { says: inWindow });
    await world.run();
    assert.ok(world.seen.installedAt.length > 0 && world.seen.installedAt.every((at) => at >= opensAfterMs), `cut at ${cut}`);
    assert.equal(world.seen.heartbeats.at(-1)?.version, "2.0.0", `cut at ${cut}`);
    // What was on its way when the power failed comes again, and no more.
    assert.ok(world.seen.downloaded <= 2 * newImage.length, `cut at ${cut}`);
  }
  const late = pretendWorld("good", { ...calm, cuts: [60] }, { says: inWindow });
  await late.run();
  assert.equal(late.seen.starts.join(""), "aab", "the power failed while it waited");
  assert.equal(late.seen.downloaded, newImage.length);
});

test("what is cancelled, or has ended over there, while it waits for its window is given up, and nothing was installed", async () => {
  for (const end of [{ is: "cancel", deployment: "dep_1" }, { is: "none" }] as const) {
    const world = pretendWorld("good", calm, {
      says: (offer, mono) => (mono < 60_000 ? { ...offer, maintenanceWindow: "unavailable" } : end),
    });
    await world.run();
    assert.match(world.seen.reports.at(-1) ?? "", /^cancelled/);
    assert.deepEqual(world.seen.installedAt, []);
    assert.equal(parseMemory(world.disk.memory ?? "").update, undefined);
    assert.equal(world.seen.heartbeats.at(-1)?.version, "1.0.0");
  }
});

test("a window that closed before the download was done is waited for again, though nobody says so", async () => {
  const world = pretendWorld("good", calm, {
    // Open for a second, in which the device cannot be done; the platform is not heard again until the next opening.
    says: (offer, mono) =>
      mono < opensAfterMs
        ? { ...offer, maintenanceWindow: "available", windowClosesInS: 1 }
        : { ...offer, maintenanceWindow: "available", windowClosesInS: 1_800 },
    disk: () => world.passes(500),
  });
  await world.run();
  assert.ok(world.seen.installedAt.length > 0 && world.seen.installedAt.every((at) => at >= opensAfterMs));
  assert.equal(world.seen.heartbeats.at(-1)?.version, "2.0.0");
});

test("what rots while it waits for its window is found before it is installed", async () => {
  let rotten = false;
  const world = pretendWorld("good", calm, {
    says: (offer, mono) => {
      rotten = mono >= opensAfterMs;
      return inWindow(offer, mono);
    },
    rots: (written) => (rotten ? Buffer.from(written).fill(0, 10, 20) : written),
  });
  await world.run();
  assert.equal(world.seen.reports.at(-1), "failed:download_hash_mismatch");
  assert.deepEqual(world.seen.installedAt, []);
});
