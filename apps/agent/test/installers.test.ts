import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { abandonTrial, armTrial, type BootRecord, confirmTrial, otherSlot, type Slot } from "@tenfold/device";
import fc from "fast-check";
import { readEnvironment, writeEnvironment } from "../src/boot-loader/env.ts";
import { canonical } from "../src/boot-loader/verify.ts";
import { afterStart } from "../src/installers/after-start.ts";
import { machineBoot, refusedIn } from "../src/installers/machine-boot.ts";
import type { BootControl } from "../src/installers/port.ts";
import { refusalOf, sentenceOf } from "../src/installers/swupdate.ts";
import { openUBootEnv } from "../src/installers/u-boot-env.ts";
import { limited } from "../src/limit.ts";

const noSlots = { close: async () => {} } as Parameters<typeof machineBoot>[0]["slots"];

/** A boot loader that counts, a record, and power that fails before or after the n-th time that either is told something. */
async function pretendMachine(kind: "sound" | "dying" | "refused", cutAt: number) {
  const folder = await mkdtemp(join(tmpdir(), "tenfold-boot-"));
  const loader = { first: "a" as Slot, left: { a: 3, b: 3 }, log: [] as string[] };
  let record: BootRecord = { good: "a" };
  let effects = 0;
  class Dark extends Error {}
  const effect = (act: () => void) => {
    effects += 1;
    if (cutAt === 2 * effects) throw new Dark();
    act();
    if (cutAt === 2 * effects + 1) throw new Dark();
  };
  const choose = (): Slot => {
    for (;;) {
      for (const slot of [loader.first, otherSlot(loader.first)]) {
        if (loader.left[slot] <= 0) continue;
        if (slot === "b" && kind === "refused") {
          loader.left[slot] = 0;
          loader.log.push('{"event":"refused","slot":"b"}');
          continue;
        }
        loader.left[slot] -= 1;
        loader.log.push(`{"event":"start","slot":"${slot}"}`);
        return slot;
      }
      loader.left = { a: 3, b: 3 };
    }
  };
  let booted: Slot = "a";
  const control: BootControl = {
    booted: async () => booted,
    tryNext: async (slot) => effect(() => Object.assign(loader, { first: slot, left: { ...loader.left, [slot]: 3 } })),
    markGood: async (slot) => effect(() => Object.assign(loader, { first: slot, left: { ...loader.left, [slot]: 3 } })),
    markBad: async (slot) => effect(() => Object.assign(loader, { first: otherSlot(slot), left: { ...loader.left, [slot]: 0 } })),
  };
  const bootLog = join(folder, "boot.log");
  const installer = machineBoot({
    folder,
    slots: noSlots,
    control,
    record: {
      load: async () => record,
      save: async (next) =>
        effect(() => {
          record = next;
        }),
    },
    describe: async (slot) => ({ version: slot }),
    bootLog,
  });
  /** The next start that comes as far as the agent. */
  const start = async () => {
    for (;;) {
      booted = choose();
      await writeFile(bootLog, loader.log.join("\n"));
      if (booted === "b" && kind === "dying") continue;
      try {
        return await installer.start();
      } catch (error) {
        if (!(error instanceof Dark)) throw error;
      }
    }
  };
  const lit = async (act: () => Promise<void>): Promise<void> => {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof Dark)) throw error;
    }
  };
  return { installer, start, lit, loader, record: () => record, dispose: () => rm(folder, { recursive: true, force: true }) };
}

/** What the brain does: arms until the trial runs or its end is known, then keeps it or gives it up. */
async function play(machine: Awaited<ReturnType<typeof pretendMachine>>, verdict: "keep" | "leave"): Promise<BootRecord> {
  for (let starts = 0; starts < 12; starts++) {
    const { running } = await machine.start();
    const record = await machine.installer.loadBoot();
    if (record.fellBack?.tag === "dep" && running.slot === "a") return record;
    if (running.slot === "b" && record.good === "b") return record;
    await machine.lit(async () => {
      if (running.slot === "a") await machine.installer.saveBoot(armTrial(record, { slot: "b", tag: "dep" }));
      else if (record.trial === undefined) return;
      else if (verdict === "keep") await machine.installer.saveBoot(confirmTrial(record));
      else await machine.installer.saveBoot(abandonTrial(record, "validate_self_test_failed"));
    });
  }
  throw new Error(`never came to an end: ${machine.loader.log.join(" ")}`);
}

for (const [kind, verdict, end] of [
  ["sound", "keep", { good: "b" }],
  ["sound", "leave", { good: "a", fellBack: { tag: "dep", because: "validate_self_test_failed" } }],
  ["dying", "keep", { good: "a", fellBack: { tag: "dep", because: "boot_loop" } }],
  ["refused", "keep", { good: "a", fellBack: { tag: "dep", because: "boot_fell_back" } }],
] as const)
  test(`firmware that is ${kind}, to be ${verdict === "keep" ? "kept" : "left"}, comes to the same end whenever the power fails between record and boot loader`, async () => {
    for (let cut = 0; cut < 26; cut++) {
      const machine = await pretendMachine(kind, cut);
      assert.deepEqual(await play(machine, verdict), end, `cut at ${cut}`);
      const started = machine.loader.log.filter((line) => line.includes('"start"'));
      if (kind === "refused") assert.ok(!started.some((line) => line.includes('"b"')));
      await machine.dispose();
    }
  });

test("a boot loader that left the good slot by itself is believed: what runs is what there is", () => {
  const decided = afterStart({ record: { good: "a" }, booted: "b", told: undefined, refused: ["a"], givingUp: undefined });
  assert.deepEqual(decided, { record: { good: "b" }, tell: { do: "good", slot: "b" }, fellBack: true });
});

test("a slot counts as refused only where it was not started after that, and nonsense in the log is passed over", () => {
  assert.deepEqual(refusedIn(['{"event":"refused","slot":"b"}', "nonsense", '{"event":"start","slot":"b"}']), []);
  assert.deepEqual(refusedIn(['{"event":"start","slot":"b"}', '{"event":"refused","slot":"b"}', '{"event":"start","slot":"a"}']), [
    "b",
  ]);
});

test("what the agent writes into U-Boot's environment its boot loader reads, and the other way round, over many writes", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tenfold-env-"));
  const copies = [join(folder, "env.1"), join(folder, "env.2")] as const;
  const env = openUBootEnv(copies);
  for (let i = 0; i < 300; i++) {
    if (i % 3 === 0) writeEnvironment(copies, new Map([...readEnvironment(copies), ["LOADER", String(i)]]));
    else await env.set({ AGENT: String(i) });
    assert.deepEqual(Object.fromEntries(await env.read()), Object.fromEntries(readEnvironment(copies)));
  }
  assert.deepEqual(Object.fromEntries(await env.read()), { LOADER: "297", AGENT: "299" });
  await rm(folder, { recursive: true });
});

test("an environment that was torn anywhere gives the one before, to both", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tenfold-env-"));
  const copies = [join(folder, "env.1"), join(folder, "env.2")] as const;
  const env = openUBootEnv(copies);
  await env.set({ N: "1" });
  await env.set({ N: "2" });
  const whole = await readFile(copies[1]);
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.uint8Array({ minLength: 1, maxLength: 40 }), async (at, noise) => {
      const torn = Buffer.from(whole);
      torn.set(noise.subarray(0, whole.length - at), at);
      await writeFile(copies[1], torn);
      const seen = (await env.read()).get("N");
      assert.equal(seen, readEnvironment(copies).get("N"));
      assert.ok(torn.equals(whole) ? seen === "2" : seen === "1" || seen === "2");
    }),
    { numRuns: 100 },
  );
  await rm(folder, { recursive: true });
});

test("the boot loader's canonical JSON is that of the signatures", async () => {
  const { canonicalJson } = await import("@tenfold/base");
  const value = { type: "x", models: ["b", "ä"], artifact: { size: 3, sha256: "00" }, version: '1"\n' };
  assert.equal(canonical(value), canonicalJson(value));
});

test("SWUpdate's sentences, as version 2022.12 says them, are told apart", () => {
  assert.equal(
    refusalOf(["SW not compatible with hardware", "Image invalid or corrupted. Not installing ..."]),
    "install_incompatible",
  );
  assert.equal(refusalOf(["Authentication of all signatures failed", "Compatible SW not found"]), "install_untrusted");
  assert.equal(refusalOf(["HASH mismatch : 00 <--> 01"]), "install_untrusted");
  assert.equal(sentenceOf("[ERROR] : SWUPDATE failed [0] ERROR : HASH mismatch : 00"), "HASH mismatch : 00");
  assert.equal(sentenceOf("[ERROR] : SWUPDATE failed [1] Image invalid or corrupted."), "Image invalid or corrupted.");
  assert.equal(refusalOf(["cannot write: No space left on device"]), "no_space");
  assert.equal(refusalOf(["Selection stable,b is not allowed, rejected !"]), "install_failed");
});

test("a limited download takes the time that its limit asks for, and gives every byte", async () => {
  async function* pieces() {
    for (let i = 0; i < 10; i++) yield new Uint8Array(10_000);
  }
  const began = performance.now();
  let bytes = 0;
  for await (const piece of limited(pieces(), 50_000)) bytes += piece.byteLength;
  const tookMs = performance.now() - began;
  assert.equal(bytes, 100_000);
  assert.ok(tookMs > 900, `the second half of 100 kB at 50 kB/s took ${tookMs} ms`);
});
