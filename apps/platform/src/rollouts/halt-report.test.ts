import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { days } from "@tenfold/base";
import { removeOld } from "../crashes/reconcile.ts";
import { findCrash, signaturesOf, unpin } from "../crashes/store.ts";
import { takeCrash } from "../crashes/take.shell.ts";
import { openBlobs, silentLog } from "../kernel/index.ts";
import { exposureOf, haltReportOf } from "./halt-report.shell.ts";
import { markdownOf } from "./halt-report.ts";
import { pretendFleet, scope, who } from "./testing.ts";

test("a halt writes its report, with what crashed on the devices that were exposed; the evidence stays until a person lets it go", async () => {
  await using fleet = await pretendFleet({ devices: 20, effects: (version) => (version === "2.0.0" ? "falls_back" : "good") });
  await fleet.release("1.0.0");
  await fleet.tick();
  const release = await fleet.release("2.0.0");
  const heard: { type: string; subject: string; data: Record<string, unknown> }[] = [];
  fleet.deps.bus.subscribe((event) => heard.push(event));
  const { id } = await fleet.start({ release: "2.0.0", stages: [{ share: 0.2 }, { share: 1 }], deadline: "PT5M", soak: "PT30S" });
  assert.equal(await haltReportOf(fleet.deps, scope, id), undefined);
  assert.equal(await fleet.untilEnded(id), "rolled_back");

  const folder = await mkdtemp(join(tmpdir(), "tenfold-crashes-"));
  try {
    const blobs = await openBlobs(folder);
    const crashing = {
      ...{
        db: fleet.db,
        blobs,
        audit: fleet.deps.audit,
        bus: fleet.deps.bus,
        clock: fleet.clock,
        log: silentLog,
        maxBytes: 1_000,
        keepMs: days(90),
      },
      admitRequest: () => Promise.reject(new Error("no device HTTP here")),
      exposureOf: (of: typeof scope, device: string, at: number) => exposureOf(fleet.db, of, { device, at }),
    };
    const take = (device: string, text: string) =>
      takeCrash(crashing, scope, { device, kind: "pstore", told: { bootId: "two" }, source: Readable.from([Buffer.from(text)]) });
    const rows = await fleet.rowsOf(id);
    const [exposed, second] = rows.filter(({ state }) => state === "rolled_back").map(({ device }) => device);
    const spared = rows.find(({ state }) => state === "cancelled")?.device;
    assert.ok(exposed && second && spared);
    const panic = "Kernel panic - not syncing: valve stuck\n valve_close+0x4c/0x80\n";
    const first = await take(exposed, panic);
    await take(second, panic);
    const own = await take(spared, "Kernel panic - not syncing: something else\n");
    assert.deepEqual([first.created, (await take(exposed, panic)).created], [true, false]);
    assert.deepEqual(
      [first.crash.pinned, first.crash.rollout, first.crash.release, first.crash.version],
      [true, id, release.id, "2.0.0"],
    );
    assert.deepEqual([own.crash.pinned, own.crash.rollout], [false, undefined]);
    await assert.rejects(take(exposed, "x".repeat(1_001)), { code: "blob_too_large" });
    await assert.rejects(take(exposed, ""), { code: "crash_empty" });

    const signatures = () => signaturesOf(fleet.db, scope, { rollout: id, limit: 5 });
    const report = await haltReportOf({ ...fleet.deps, crashSignatures: signatures }, scope, id);
    assert.ok(report);
    assert.deepEqual([report.decidedBy, report.stage, report.phase], ["gate", 0, "rolled_back"]);
    const { exposed: hit, harmed, heldBack, targets } = report.blast;
    assert.deepEqual([targets, hit, harmed, heldBack], [20, 4, harmed, 20 - 4]);
    assert.equal(report.firstFailure?.reason, "boot_fell_back");
    assert.deepEqual(
      [report.signatures[0]?.title, report.signatures[0]?.devices, report.signatures[0]?.frames],
      ["valve stuck", 2, ["valve_close"]],
    );
    assert.ok(report.timeline.some(({ what }) => what === "halted") && report.nextSteps.length > 2);
    assert.ok(typeof report.evidence.haltAtLogE === "number");
    const text = markdownOf(report);
    for (const part of ["# pump 2.0.0 was halted", "16 were never offered", "valve stuck at valve\\_close", "## What next"])
      assert.ok(text.includes(part), part);
    const told = heard.find(({ type }) => type === "rollout.halted");
    assert.deepEqual([told?.subject, (told?.data.blast as { targets: number } | undefined)?.targets], [id, 20]);

    // A year later: what belongs to no update is gone, what is pinned is not, until somebody lets it go.
    fleet.clock.time += days(365);
    await removeOld(crashing);
    assert.ok((await findCrash(fleet.db, scope, own.crash.id))?.removedAt);
    assert.equal(await blobs.stat(own.crash.sha256), undefined);
    assert.ok(await blobs.stat(first.crash.sha256));
    const let_go = await fleet.db.transaction().execute((tx) =>
      unpin(tx, scope, {
        rollout: id,
        actor: who.actor,
        reason: "cause found",
        at: fleet.clock.time,
        keepUntil: fleet.clock.time + days(90),
      }),
    );
    assert.equal(let_go, 2);
    fleet.clock.time += days(91);
    await removeOld(crashing);
    assert.equal(await blobs.stat(first.crash.sha256), undefined);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("a device that sends without end is told to wait before a byte is read", async () => {
  await using fleet = await pretendFleet({ devices: 1 });
  const folder = await mkdtemp(join(tmpdir(), "tenfold-crashes-"));
  try {
    const blobs = await openBlobs(folder);
    const crashing = {
      ...{
        db: fleet.db,
        blobs,
        audit: fleet.deps.audit,
        bus: fleet.deps.bus,
        clock: fleet.clock,
        log: silentLog,
        maxBytes: 1_000,
        keepMs: days(90),
      },
      admitRequest: () => Promise.reject(new Error("no device HTTP here")),
      exposureOf: async () => undefined,
    };
    const send = (n: number) =>
      takeCrash(crashing, scope, { device: "d0", kind: "log", told: {}, source: Readable.from([Buffer.from(`Error: ${n}`)]) });
    for (let n = 0; n < 30; n++) await send(n);
    await assert.rejects(send(30), { code: "crash_too_many" });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
