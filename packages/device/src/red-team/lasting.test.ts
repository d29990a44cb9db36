import assert from "node:assert/strict";
import { test } from "node:test";
import { days, seededRandom } from "@tenfold/base";
import { type Offer, signReleaseWith } from "@tenfold/ota";
import { newMetadataSigner } from "@tenfold/testkit";
import { checkMetadata } from "../check-metadata.ts";
import { type DeviceTrust, defaultPatience, freshMemory, parseDeviceTrust } from "../index.ts";
import type { Mind } from "../mind.ts";
import { freshSession, type Session } from "../picture.ts";
import { device, direct, type Fleet, fetchFrom, fleet, type Image, imageOf, judge, now, offerOf } from "./testing.ts";

test("freeze: a thief who goes on to sign the old list is noticed when the list's own end comes, by a clock turned back too", async () => {
  const scene = await fleet();
  await direct(scene, scene.images.next);
  for (const repository of [scene.image, scene.director])
    Object.assign(repository.expires, { timestamp: now + days(4_000), snapshot: now + days(4_000) });
  scene.director.expires.targets = now + days(4_000);
  await scene.image.publishSnapshot();
  await scene.image.publishTimestamp();
  await scene.director.publish();
  assert.equal((await judge(scene, offerOf(scene.images.next), { at: now + days(89) })).verdict, "installs");
  assert.equal((await judge(scene, offerOf(scene.images.next), { at: now + days(90) })).verdict, "metadata_expired");
  // What offline keys have signed since proves that it is later than the clock says.
  const { trust } = await judge(scene, offerOf(scene.images.next));
  assert.equal(trust.provenAt, now);
  assert.equal(
    (await judge(scene, offerOf(scene.images.next), { trust: { ...trust, provenAt: now + days(90) }, at: now })).verdict,
    "metadata_expired",
  );
});

test("a floor that was learned stays, though the list that taught it is withheld or the release delisted", async () => {
  const scene = await fleet();
  const { trust } = await judge(scene, offerOf(scene.images.next));
  assert.equal(trust.floors.pump, "1.3.0");
  delete scene.image.targets["pump/1.5.0"];
  await scene.image.publish();
  await direct(scene, scene.images.old, { rollback: true });
  assert.equal((await judge(scene, offerOf(scene.images.old), { trust })).verdict, "offer_below_security_floor");
});

test("fast-forward: after stolen online keys were driven to the highest version, new keys in a new root bring the device back", async () => {
  const scene = await fleet();
  for (const repository of [scene.image, scene.director])
    Object.assign(repository.versions, { timestamp: 2 ** 52, snapshot: 2 ** 52 });
  scene.director.versions.targets = 2 ** 52;
  await scene.image.publishSnapshot();
  await scene.image.publishTimestamp();
  await scene.director.publish();
  const { trust, checked } = await judge(scene, offerOf(scene.images.next));
  assert.equal(checked.is, "nothing");
  const fresh = newMetadataSigner();
  for (const repository of [scene.image, scene.director]) {
    Object.assign(repository.versions, { timestamp: 10, snapshot: 10 });
    repository.signers.timestamp.splice(0, 1, fresh);
    repository.signers.snapshot.splice(0, 1, fresh);
  }
  scene.director.versions.targets = 10;
  scene.director.signers.targets.splice(0, 1, fresh);
  for (const repository of [scene.image, scene.director]) await repository.publishRoot();
  await scene.image.publish();
  await direct(scene, scene.images.next);
  assert.equal((await judge(scene, offerOf(scene.images.next), { trust })).verdict, "installs");
});

test("the twins: with the offline keys as well, the same thief would get through", async () => {
  const scene = await fleet();
  const [signer] = scene.image.signers.targets;
  assert.ok(signer);
  const evil = await imageOf("6.6.6", { signer, counter: 66 });
  scene.image.targets[evil.path] = evil.target;
  await scene.image.publish();
  await direct(scene, evil);
  assert.equal((await judge(scene, offerOf(evil))).verdict, "installs");
});

/** One random move of the thief: what the director says, and what is offered beside it. */
async function campaign(scene: Fleet, all: readonly Image[], random: () => number): Promise<{ thing: Image; offer: Offer }> {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const chance = (share: number) => random() < share;
  const directed = pick(all);
  const thing = chance(0.3) ? pick(all) : directed;
  await direct(scene, directed, {
    rollback: chance(0.5),
    deployment: pick(["dep_1", "dep_1", "dep_2"]),
    counter: chance(0.2) ? Math.floor(random() * 100) : Number(directed.target.custom?.releaseCounter),
    hardwareId: pick(["pump-2", "pump-2", "valve-1"]),
    target: chance(0.2) ? pick(all).target : directed.target,
  });
  if (chance(0.1)) await scene.image.publishTimestamp();
  const envelope = chance(0.2) ? await signReleaseWith(thing.statement, [scene.online]) : thing.envelope;
  return { thing, offer: offerOf({ ...thing, envelope }, { rollback: chance(0.5) }) };
}

test("whatever the thief does with all that he has, in 150 random campaigns no unsigned image is installed and nothing below the floor", async () => {
  const random = seededRandom("thief");
  const scene = await fleet();
  const evil = await imageOf("6.6.6", { signer: scene.online, counter: 66 });
  let { trust } = await judge(scene, offerOf(scene.images.next));
  const installed: Image[] = [];
  for (let i = 0; i < 150; i++) {
    const { thing, offer } = await campaign(scene, [...Object.values(scene.images), evil], random);
    const result = await judge(scene, offer, { trust });
    trust = result.trust;
    if (result.verdict === "installs") installed.push(thing);
  }
  const never = [evil, scene.images.old, scene.images.valve];
  assert.deepEqual(
    installed.filter((image) => never.includes(image)),
    [],
  );
  assert.ok(installed.length > 5, `the device still takes what is signed: ${installed.length}`);
});

/** What `checkMetadata` touches of a device: a disk that keeps what it is given, and power that fails before or after that. */
function deviceWith(scene: Fleet, disk: { trust?: string }, { power = "holds", mono = 0, reaches = true }: Weather = {}) {
  const session: Pick<Session, "checked" | "checking" | "metadataDueAt" | "heardAt" | "clockOffset"> = {
    ...freshSession(freshMemory(), { mono: 0, device }),
    heardAt: 0,
  };
  const mind = {
    session,
    trust: disk.trust === undefined ? scene.trust : parseDeviceTrust(disk.trust),
    config: { ...defaultPatience, device, model: "pump-2", trustedKeys: [] },
    note: () => {},
    later: () => {},
    link: undefined,
    body: {
      running: { hash: scene.images.running.statement.artifact.sha256 },
      clock: { now: () => now, mono: () => mono },
      metadata: {
        async save(trust: DeviceTrust) {
          if (power === "fails before the disk has it") throw new Error("darkness");
          disk.trust = JSON.stringify(trust);
          if (power === "fails after the disk has it") throw new Error("darkness");
        },
        async talk() {
          if (!reaches) throw new Error("no route");
          return { fetch: fetchFrom(scene), [Symbol.asyncDispose]: async () => {} };
        },
      },
    },
  };
  // Only what stands above is used of a mind: the rest has nothing to do with metadata.
  return mind as unknown as Mind;
}
type Weather = { power?: "holds" | `fails ${"before" | "after"} the disk has it`; mono?: number; reaches?: boolean };

for (const power of ["fails before the disk has it", "fails after the disk has it"] as const) {
  test(`power that ${power}, between what is believed and what is done: nothing was done, and the next start believes no less`, async () => {
    const scene = await fleet();
    const older = new Map(scene.director.files);
    await direct(scene, scene.images.next);
    const offer = offerOf(scene.images.next);
    const disk: { trust?: string } = {};
    const cut = deviceWith(scene, disk, { power });
    await checkMetadata(cut, offer);
    assert.equal(cut.session.checked, undefined);
    const next = deviceWith(scene, disk);
    await checkMetadata(next, offer);
    assert.equal(next.session.checked?.verdict.is, "directed");
    assert.ok(disk.trust);
    // What the disk has is what the next old list is compared with.
    for (const [name, bytes] of older) scene.director.files.set(name, bytes);
    const attacked = deviceWith(scene, disk);
    await checkMetadata(attacked, offer);
    const verdict = attacked.session.checked?.verdict;
    assert.equal(verdict?.is === "refuse" ? verdict.because : verdict?.is, "metadata_rollback");
  });
}

test("freeze: where no metadata can be had until the offer's own deadline, it ends as metadata_unreachable, and not before", async () => {
  const scene = await fleet();
  await direct(scene, scene.images.next);
  const offer = offerOf(scene.images.next);
  const early = deviceWith(scene, {}, { reaches: false, mono: offer.deadlineS * 1_000 - 1 });
  await checkMetadata(early, offer);
  assert.equal(early.session.checked, undefined);
  const late = deviceWith(scene, {}, { reaches: false, mono: offer.deadlineS * 1_000 });
  await checkMetadata(late, offer);
  const verdict = late.session.checked?.verdict;
  assert.equal(verdict?.is === "unreachable" ? verdict.because : verdict?.is, "metadata_unreachable");
});
