import assert from "node:assert/strict";
import { test } from "node:test";
import { days, hours, minutes } from "@tenfold/base";
import type { IdentityNotice } from "@tenfold/contracts";
import fc from "fast-check";
import { hearNotice, offsetTo, provenOffset, toGeneration } from "./identity.ts";
import { freshMemory, type Memory } from "./memory.ts";
import { nextStep } from "./next-step.ts";
import { defaultPatience, freshSession, type Picture, type Session } from "./picture.ts";

const now = Date.UTC(2026, 9, 1);
const [one, two] = ["1".repeat(64), "2".repeat(64)];
const certificate = { notBefore: now - days(1), notAfter: now + days(29), renewAt: now + days(19) };
const memory: Memory = { ...freshMemory(), certificate };
const notice = (changes: Partial<IdentityNotice> = {}): IdentityNotice => ({
  trust: { generation: 2, roots: [one, two], withinS: 600 },
  time: new Date(now).toISOString(),
  ...changes,
});

test("a device asks for roots that it does not believe yet, at its own moment, and notes the generation once it does", () => {
  const heard = hearNotice(memory, notice(), { believed: [one], now, chance: 0.5 });
  assert.equal(heard.refreshInMs, 300_000);
  assert.equal(heard.memory.trustGeneration, undefined);
  const followed = toGeneration(memory, { trust: notice().trust, believed: [two, one] });
  assert.equal(followed.trustGeneration, 2);
  const again = hearNotice(followed, notice(), { believed: [two, one], now, chance: 0.5 });
  assert.deepEqual([again.refreshInMs, again.memory], [undefined, followed]);
});

test("however often it is heard, a notice pulls a renewal forward and never puts it off", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2_000_000 })), (laters) => {
      let kept = memory;
      for (const later of [0, ...laters.sort((a, b) => a - b)])
        kept = hearNotice(kept, notice({ renewWithinS: 100 }), { believed: [one, two], now: now + later, chance: 0.25 }).memory;
      assert.equal(kept.certificate?.renewAt, now + 25_000);
    }),
  );
});

test("a clock that a certificate or the platform proves wrong is set right for decisions about certificates, and a good one is left alone", () => {
  assert.equal(offsetTo(now, now + 30_000), 0);
  assert.equal(offsetTo(now, 0), now);
  assert.equal(provenOffset(certificate, 0, "kept"), certificate.notBefore);
  assert.equal(provenOffset(certificate, now + days(400), "kept"), 0, "it may have slept");
  assert.equal(provenOffset(certificate, now + days(400), "fresh"), certificate.notBefore - now - days(400));
});

function pictureAt(changes: { now: number; session?: Partial<Session>; memory?: Memory }): Picture {
  const device = "pump-1";
  return {
    config: { ...defaultPatience, device, model: "pump", heartbeatMs: 1_000, telemetryMs: 1_000, trustedKeys: [] },
    memory: changes.memory ?? memory,
    trust: undefined,
    asksMetadata: false,
    boot: { good: "a" },
    running: { slot: "a", version: "1.0.0", bootId: "b", bootedAt: 0 },
    session: { ...freshSession(memory, { mono: 0, device }), ...changes.session },
    now: changes.now,
    mono: 0,
  };
}

test("a device that slept past its certificate's end recovers with it first, and begins anew only when that is refused", () => {
  const late = certificate.notAfter + hours(1);
  assert.equal(nextStep(pictureAt({ now: late })).do, "renew");
  assert.equal(nextStep(pictureAt({ now: late, session: { recovery: "refused" } })).do, "enroll");
  const waiting = nextStep(pictureAt({ now: late, session: { enrolling: { failures: 1, at: 5_000 }, telemetryDueAt: 9_000 } }));
  assert.deepEqual(waiting, { do: "wait", untilMono: 5_000 }, "it does not knock with what has ended");
});

test("a device whose clock is years ahead does not renew again and again", () => {
  const wrong = now + days(3_000);
  const session = { clockOffset: provenOffset(certificate, wrong, "fresh") + minutes(5) };
  assert.equal(nextStep(pictureAt({ now: wrong, session })).do, "connect");
});
