import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeploymentReport } from "@tenfold/contracts";
import fc from "fast-check";
import { applyHeartbeat, applyReport, type Watched, withDeadline } from "./progress.ts";

const [oldHash, newHash] = ["aa".repeat(32), "bb".repeat(32)];

const deployment = (over: Partial<Watched> = {}): Watched => ({
  id: "dep_1",
  rollout: "rol_1",
  device: "pump-1",
  rollback: false,
  attempt: 1,
  state: "offered",
  version: "2.0.0",
  sha256: newHash,
  bootId: "boot-1",
  previous: { version: "1.0.0", hash: oldHash },
  offeredAt: 1_000,
  boots: [],
  log: [],
  ...over,
});

type Beat = { bootId?: string; version?: string; hash?: string | undefined; state?: "confirmed" | "trial" };
const beat = ({ bootId = "boot-2", version = "2.0.0", hash = newHash, state = "confirmed" }: Beat = {}) => ({
  bootId,
  firmware: { version, hash, state },
});
const oldBeat = (bootId: string) => beat({ bootId, version: "1.0.0", hash: oldHash });

test("only a confirmed boot of the release's own bytes after a reboot is success", () => {
  const rebooting = deployment({ state: "rebooting", rebootingAt: 2_000 });
  assert.equal(applyHeartbeat(rebooting, beat(), 3_000)?.state, "succeeded");
  assert.equal(applyHeartbeat(rebooting, beat({ bootId: "boot-1" }), 3_000), undefined, "same boot");
  assert.equal(applyHeartbeat(rebooting, beat({ state: "trial" }), 3_000)?.state, "validating");
  assert.equal(
    applyHeartbeat(rebooting, beat({ hash: "cc".repeat(32) }), 3_000)?.reason,
    "validate_wrong_version",
    "the right version on other bytes",
  );
});

test("a device that reports no hash is judged by its version", () => {
  const { firmware, bootId } = beat({ hash: undefined });
  const withoutHash = { bootId, firmware: { version: firmware.version, state: firmware.state } };
  assert.equal(applyHeartbeat(deployment(), withoutHash, 3_000)?.state, "succeeded");
});

test("a device that comes back with the old release after the update's reboot has fallen back", () => {
  const after = applyHeartbeat(deployment({ state: "rebooting", rebootingAt: 2_000 }), oldBeat("boot-2"), 3_000);
  assert.deepEqual([after?.state, after?.reason], ["rolled_back", "boot_fell_back"]);
});

test("a power cut before the update's reboot is no fall-back, and the boot after it is the one to tell apart from", () => {
  const downloading = deployment({ state: "downloading" });
  const cut = applyHeartbeat(downloading, oldBeat("boot-2"), 3_000);
  assert.deepEqual([cut?.state, cut?.bootId], ["downloading", "boot-2"]);
  assert.equal(cut && applyHeartbeat({ ...cut, state: "rebooting", rebootingAt: 4_000 }, oldBeat("boot-2"), 5_000), undefined);
});

test("a heartbeat that was sent before the reboot and arrives after its report is no fall-back", () => {
  assert.equal(
    applyHeartbeat(deployment({ state: "rebooting", rebootingAt: 4_000 }), oldBeat("boot-2"), 3_500)?.state,
    "rebooting",
  );
});

test("a heartbeat from before the offer says nothing about it", () => {
  assert.equal(applyHeartbeat(deployment(), beat(), 999), undefined);
});

test("a device that was silent past its deadline stays unresponsive; that it came back is kept beside", () => {
  const silent = deployment({ state: "unresponsive", reason: "silent_after_reboot" });
  const back = applyHeartbeat(silent, beat(), 9_000);
  assert.deepEqual([back?.state, back?.returnedWith, back?.returnedAt, back?.verifiedAt], ["unresponsive", "new", 9_000, 9_000]);
  assert.equal(applyHeartbeat(silent, oldBeat("boot-3"), 9_000)?.returnedWith, "old");
  assert.equal(applyHeartbeat(silent, beat({ state: "trial" }), 9_000), undefined, "not decided yet");
});

test("what the boot before the update says after the deadline may be late: it is noted once, and the next boot is still listened to", () => {
  const before = "boot-1";
  const silent = deployment({ state: "unresponsive", reason: "silent_during_update", bootId: before });
  const late = applyHeartbeat(silent, oldBeat(before), 9_000);
  assert.deepEqual([late?.returnedWith, late?.returnedAt], ["old", 9_000]);
  assert.equal(late && applyHeartbeat(late, oldBeat(before), 9_500), undefined);
  const booted = late && applyHeartbeat(late, beat(), 10_000);
  assert.deepEqual([booted?.returnedWith, booted?.returnedAt, booted?.verifiedAt], ["new", 10_000, 10_000]);
  assert.equal(
    booted && applyHeartbeat(booted, oldBeat("boot-9"), 11_000),
    undefined,
    "what it does later is no news of this update",
  );
});

test("a device that was given up while it installed and is heard with the old release first is still listened to: it may come up with the new one", () => {
  // It was never heard before the offer, so nobody knows which boot that is.
  const { bootId: _neverHeard, ...silent } = deployment({ state: "skipped", reason: "silent_after_offer" });
  const old = applyHeartbeat(silent, oldBeat("boot-1"), 9_000);
  assert.equal(old?.returnedWith, "old");
  assert.equal(old && applyHeartbeat(old, oldBeat("boot-1"), 9_500), undefined);
  const booted = old && applyHeartbeat(old, beat(), 10_000);
  assert.deepEqual([booted?.state, booted?.returnedWith, booted?.verifiedAt], ["skipped", "new", 10_000]);
});

test("a failure without a reason gets the one of the stage it happened in", () => {
  const failed: DeploymentReport = { state: "failed" };
  assert.equal(applyReport(deployment(), failed, 2_000)?.reason, "download_other");
  assert.equal(applyReport(deployment({ state: "installing" }), failed, 2_000)?.reason, "install_other");
  assert.equal(applyReport(deployment({ state: "validating" }), failed, 2_000)?.reason, "validate_self_test_failed");
  assert.equal(applyReport(deployment(), { state: "failed", reason: "download_no_space" }, 2_000)?.reason, "download_no_space");
});

const states = [
  "downloading",
  "downloaded",
  "verified",
  "installing",
  "rebooting",
  "validating",
  "failed",
  "rolled_back",
  "skipped",
  "cancelled",
] as const;
const order = ["offered", "downloading", "downloaded", "verified", "installing", "rebooting", "validating"];

test("whatever reports arrive, in whatever order and however often: never success, never backwards, never out of an end", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...states), { maxLength: 20 }), (reports) => {
      let now = deployment();
      reports.forEach((state, i) => {
        const next = applyReport(now, { state }, 2_000 + i) ?? now;
        assert.notEqual(next.state, "succeeded");
        if (order.includes(next.state)) assert.ok(order.indexOf(next.state) >= order.indexOf(now.state));
        if (!order.includes(now.state)) assert.equal(next, now);
        assert.equal(applyReport(next, { state }, 2_000 + i)?.state ?? next.state, next.state, "twice is once");
        now = next;
      });
    }),
  );
});

test("why a device fell back is its own to say, also after its next boot was heard; nothing else of what ended changes", () => {
  const back = applyHeartbeat(deployment({ state: "rebooting", rebootingAt: 2_000 }), oldBeat("boot-3"), 3_000) as Watched;
  assert.equal(back.reason, "boot_fell_back");
  const told = applyReport(
    back,
    { state: "rolled_back", reason: "validate_self_test_failed", detail: "exit 1", log: ["x"] },
    4_000,
  );
  assert.deepEqual(told, { ...back, reason: "validate_self_test_failed", detail: "exit 1", log: ["x"] });
  assert.equal(applyReport(back, { state: "failed", reason: "download_network" }, 4_000), undefined);
  assert.equal(told && applyReport(told, { state: "rolled_back", reason: "boot_loop" } as DeploymentReport, 5_000), undefined);
});

test("each step that begins has its own time from then on, up to the end of the whole; what was put off stays put off", () => {
  const times = { timeouts: { install: 100, boot: 50 }, deadlineMs: 500, giveUpAfterMs: 50_000 };
  const offered = deployment({ deadlineAt: 1_500, finalAt: 1_500 });
  const told = (before: Watched, state: DeploymentReport["state"], at: number) =>
    withDeadline(before, applyReport(before, { state }, at) as Watched, times, at);
  const downloading = told(offered, "downloading", 1_100);
  assert.equal(downloading.deadlineAt, 1_500, "the same step goes on");
  const verified = told(downloading, "verified", 1_200);
  assert.deepEqual([verified.deadlineAt, verified.downloadedAt], [1_300, 1_200]);
  const installing = told(verified, "installing", 1_250);
  assert.deepEqual([installing.deadlineAt, installing.installingAt], [1_300, 1_250]);
  assert.deepEqual(
    [told(installing, "rebooting", 1_290).deadlineAt, told(installing, "rebooting", 1_480).deadlineAt],
    [1_340, 1_500],
  );
  const held = { ...downloading, deadlineAt: 9_000, finalAt: 9_000 };
  assert.equal(told(held, "verified", 1_700).deadlineAt, 1_800);
  const trial = applyHeartbeat(installing, beat({ state: "trial" }), 1_260) as Watched;
  assert.equal(withDeadline(installing, trial, times, 1_260).deadlineAt, 1_310);
  assert.equal(withDeadline(downloading, { ...downloading, state: "failed" }, times, 1_400).deadlineAt, 1_500);
});

test("who has downloaded ahead has the plan's patience until it is let install, and no more time than before once the rollout has halted", () => {
  const times = { timeouts: { install: 100 }, deadlineMs: 500, giveUpAfterMs: 50_000 };
  const ahead = deployment({ state: "downloading", ahead: true, deadlineAt: 1_500, finalAt: 1_500 });
  const verified = applyReport(ahead, { state: "verified" }, 1_200) as Watched;
  const waits = withDeadline(ahead, verified, times, 1_200);
  assert.deepEqual([waits.awaits, waits.deadlineAt], [true, 51_000]);
  assert.equal(withDeadline(ahead, verified, { ...times, halted: true }, 1_200).deadlineAt, 1_500);
  const begun = withDeadline(waits, { ...waits, state: "installing" }, times, 9_000);
  assert.deepEqual(
    [begun.awaits, begun.goAt, begun.deadlineAt, begun.finalAt],
    [false, 9_000, 9_100, 9_500],
    "as its window closed",
  );
  const allowed = withDeadline({ ...ahead, goAt: 1_100 }, { ...verified, goAt: 1_100 }, times, 1_200);
  assert.deepEqual([allowed.awaits, allowed.deadlineAt], [undefined, 1_300]);
  assert.equal(withDeadline(waits, { ...waits, state: "cancelled" }, times, 1_300).awaits, false);
});
