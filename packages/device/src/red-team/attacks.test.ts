import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeploymentReason } from "@tenfold/contracts";
import { type Offer, signReleaseWith } from "@tenfold/ota";
import { direct, type Fleet, fleet, imageOf, judge, offerOf } from "./testing.ts";

test("what both repositories say is installed, and an honest rollback above the floor too", async () => {
  const scene = await fleet();
  await direct(scene, scene.images.next);
  assert.equal((await judge(scene, offerOf(scene.images.next))).verdict, "installs");
  await direct(scene, scene.images.lowest, { rollback: true });
  assert.equal((await judge(scene, offerOf(scene.images.lowest))).verdict, "installs");
});

const attacks: Record<string, { reason: DeploymentReason; attack: (scene: Fleet) => Promise<Offer> }> = {
  "arbitrary software: an image that only the thief has signed": {
    reason: "metadata_target_missing",
    async attack(scene) {
      const evil = await imageOf("6.6.6", { signer: scene.online, counter: 66 });
      await direct(scene, evil);
      return offerOf(evil);
    },
  },
  "arbitrary software: the thief signs the image repository's targets with the key that he has": {
    reason: "metadata_signature_invalid",
    async attack(scene) {
      const evil = await imageOf("6.6.6", { signer: scene.online, counter: 66 });
      scene.image.targets[evil.path] = evil.target;
      scene.image.signers.targets.splice(0, 1, scene.online);
      await scene.image.publish();
      await direct(scene, evil);
      return offerOf(evil);
    },
  },
  "arbitrary software: other bytes under a listed name": {
    reason: "metadata_repositories_disagree",
    async attack(scene) {
      const evil = await imageOf("6.6.6", { signer: scene.online, counter: 5 });
      await direct(scene, scene.images.next, { target: { ...evil.target, length: scene.images.next.target.length } });
      return offerOf(scene.images.next);
    },
  },
  "arbitrary software: an offer of other bytes beside honest metadata": {
    reason: "metadata_repositories_disagree",
    async attack(scene) {
      const evil = await imageOf("1.5.0", { signer: scene.online, counter: 5 });
      await direct(scene, scene.images.next);
      return offerOf({ ...evil, envelope: { ...evil.envelope, signed: { ...evil.envelope.signed, models: [] } } });
    },
  },
  "arbitrary software: the listed statement, signed by the thief alone": {
    reason: "offer_signature_invalid",
    async attack(scene) {
      await direct(scene, scene.images.next);
      return offerOf({ ...scene.images.next, envelope: await signReleaseWith(scene.images.next.statement, [scene.online]) });
    },
  },
  "a root of the thief's own": {
    reason: "metadata_signature_invalid",
    async attack(scene) {
      scene.image.signers.root.splice(0, 1, scene.online);
      scene.image.signers.targets.splice(0, 1, scene.online);
      await scene.image.publishRoot([scene.online]);
      await scene.image.publish();
      await direct(scene, scene.images.next);
      return offerOf(scene.images.next);
    },
  },
  "downgrade: an old release called an update": {
    reason: "offer_downgrade_refused",
    async attack(scene) {
      await direct(scene, scene.images.old);
      return offerOf(scene.images.old, { rollback: true });
    },
  },
  "downgrade: an old release called a rollback, below the floor that a listed release asks for": {
    reason: "offer_below_security_floor",
    async attack(scene) {
      await direct(scene, scene.images.old, { rollback: true });
      return offerOf(scene.images.old, { rollback: true });
    },
  },
  "wrong device: another device's metadata": {
    reason: "metadata_wrong_device",
    async attack(scene) {
      scene.director.extra = { deviceId: "pump-2" };
      await direct(scene, scene.images.next);
      return offerOf(scene.images.next);
    },
  },
  "wrong device: another device's image in this device's metadata": {
    reason: "metadata_wrong_device",
    async attack(scene) {
      await direct(scene, scene.images.next, { ecu: "pump-2" });
      return offerOf(scene.images.next);
    },
  },
  "wrong hardware: another product's release": {
    reason: "metadata_wrong_hardware",
    async attack(scene) {
      await direct(scene, scene.images.valve);
      return offerOf(scene.images.valve);
    },
  },
  "wrong hardware: another product's release, directed to its own hardware": {
    reason: "metadata_wrong_hardware",
    async attack(scene) {
      await direct(scene, scene.images.valve, { hardwareId: "valve-1" });
      return offerOf(scene.images.valve);
    },
  },
  "wrong hardware: another product's release, the director lying about the device's hardware": {
    reason: "metadata_wrong_hardware",
    async attack(scene) {
      await direct(scene, scene.images.valve, { hardwareIds: ["valve-1"] });
      return offerOf(scene.images.valve);
    },
  },
  "wrong hardware: another product's release, the director silent about hardware": {
    reason: "metadata_wrong_hardware",
    async attack(scene) {
      await direct(scene, scene.images.valve, { hardwareIds: undefined });
      return offerOf(scene.images.valve);
    },
  },
  "wrong hardware: another product's release, the director lying about the release's hardware": {
    reason: "metadata_repositories_disagree",
    async attack(scene) {
      await direct(scene, scene.images.valve, { hardwareIds: ["pump-2"] });
      return offerOf(scene.images.valve);
    },
  },
  "a release counter that the thief raised": {
    reason: "metadata_repositories_disagree",
    async attack(scene) {
      await direct(scene, scene.images.next, { counter: 99 });
      return offerOf(scene.images.next);
    },
  },
  "replay: an old offer whose deployment the director does not name": {
    reason: "metadata_target_missing",
    async attack(scene) {
      await direct(scene, scene.images.next, { deployment: "dep_2" });
      return offerOf(scene.images.next);
    },
  },
  "two images for one device": {
    reason: "metadata_malformed",
    async attack(scene) {
      await direct(scene, scene.images.next);
      const [first] = Object.values(scene.director.targets);
      assert.ok(first);
      scene.director.targets["pump/1.6.0"] = first;
      await scene.director.publish();
      return offerOf(scene.images.next);
    },
  },
  "a director that delegates": {
    reason: "metadata_malformed",
    async attack(scene) {
      scene.director.delegations = [{ name: "thief", terminating: true, paths: ["*/*"], keys: [scene.online.key], threshold: 1 }];
      await direct(scene, scene.images.next);
      return offerOf(scene.images.next);
    },
  },
  "mix and match: the image repository's snapshot names an older list of releases": {
    reason: "metadata_rollback",
    async attack(scene) {
      const { trust } = await judge(scene, offerOf(scene.images.next));
      Object.assign(scene, { trust });
      scene.image.versions.targets = 0;
      scene.image.targets = {};
      await scene.image.publishTargets();
      await scene.image.publishSnapshot();
      await scene.image.publishTimestamp();
      await direct(scene, scene.images.next);
      return offerOf(scene.images.next);
    },
  },
  "endless data: a timestamp without an end": {
    reason: "metadata_too_large",
    async attack(scene) {
      scene.director.files.set("timestamp.json", Buffer.alloc(20_000_000, "["));
      return offerOf(scene.images.next);
    },
  },
  "withheld metadata: no list of releases": {
    reason: "metadata_missing",
    async attack(scene) {
      await direct(scene, scene.images.next);
      scene.image.files.delete(`${scene.image.versions.targets}.targets.json`);
      return offerOf(scene.images.next);
    },
  },
  "nonsense in place of metadata": {
    reason: "metadata_malformed",
    async attack(scene) {
      scene.director.files.set("timestamp.json", Buffer.from("<html>"));
      return offerOf(scene.images.next);
    },
  },
};

for (const [what, { reason, attack }] of Object.entries(attacks)) {
  test(`${what} is refused as ${reason}, and nothing is installed`, async () => {
    const scene = await fleet();
    const offer = await attack(scene);
    assert.equal((await judge(scene, offer)).verdict, reason);
  });
}

/** What a person reads of a refusal. */
async function refusalOf(scene: Fleet): Promise<string> {
  const { checked } = await judge(scene, offerOf(scene.images.next));
  return checked.is === "refuse" ? `${checked.repository}: ${checked.detail}` : checked.is;
}

test("a refusal says in which repository's metadata its cause lies", async () => {
  const scene = await fleet();
  const [director, image] = [new Map(scene.director.files), new Map(scene.image.files)];
  scene.director.files.set("timestamp.json", Buffer.from("<html>"));
  assert.match(await refusalOf(scene), /^director: In the metadata of the director: /);
  scene.director.files.set("timestamp.json", director.get("timestamp.json") ?? Buffer.alloc(0));
  scene.image.files.set("timestamp.json", Buffer.from("<html>"));
  assert.match(await refusalOf(scene), /^image: In the metadata of the image repository: /);
  scene.image.files.set("timestamp.json", image.get("timestamp.json") ?? Buffer.alloc(0));
  await direct(scene, scene.images.next, { counter: 99 });
  assert.match(await refusalOf(scene), /^both: The director and the image repository differ about the release counter/);
});
