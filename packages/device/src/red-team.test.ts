import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { days, seededRandom } from "@tenfold/base";
import type { DeploymentReason, ReleaseStatement, SignedRelease } from "@tenfold/contracts";
import { artifactPath, type MetadataSigner, type Offer, signReleaseWith, statementHash, type TargetFile } from "@tenfold/ota";
import { createPretendRepository, newMetadataSigner, type PretendRepository } from "@tenfold/testkit";
import { checkMetadata } from "./check-metadata.ts";
import { hear } from "./deployments.ts";
import { beginTrust, type DeviceTrust, defaultPatience, follow, freshMemory, type Picture, parseDeviceTrust } from "./index.ts";
import type { Mind } from "./mind.ts";
import { freshSession, type Session } from "./picture.ts";

/*
 * The thief of docs/operate/signing.md: he owns the server, its database and every key that is on line. That is the director's timestamp,
 * snapshot and targets, and the image repository's timestamp and snapshot. He does not have the root keys and the targets keys.
 */

const now = Date.UTC(2026, 5, 1);
const device = "pump-1";

type Image = { statement: ReleaseStatement; envelope: SignedRelease; target: TargetFile; path: string };

async function imageOf(
  version: string,
  { signer, counter, floor, name = "pump" }: { signer: MetadataSigner; counter: number; floor?: string; name?: string },
): Promise<Image> {
  const bytes = Buffer.from(`${name} ${version}`);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const statement: ReleaseStatement = {
    type: "tenfold.release.v1",
    name,
    version,
    models: name === "pump" ? ["pump-2"] : ["valve-1"],
    artifact: { sha256, size: bytes.length },
    signedAt: "2026-01-02T03:04:05Z",
  };
  const custom = {
    hardwareIds: statement.models,
    releaseCounter: counter,
    statement: statementHash(statement),
    ...(floor ? { securityFloor: floor } : {}),
  };
  return {
    statement,
    envelope: await signReleaseWith(statement, [signer]),
    target: { length: bytes.length, hashes: { sha256 }, custom },
    path: `${name}/${version}`,
  };
}

/** Both repositories as their owner keeps them: 1.2.0 (old), 1.4.0 (runs), 1.5.0 (new), and another product's release. */
async function fleet() {
  const image = await createPretendRepository({ now });
  const director = await createPretendRepository({ now });
  const online = newMetadataSigner("p256");
  for (const role of ["timestamp", "snapshot"] as const) image.signers[role].splice(0, 1, online);
  for (const role of ["timestamp", "snapshot", "targets"] as const) director.signers[role].splice(0, 1, online);
  for (const repository of [image, director]) await republishFirstRoot(repository);
  const [signer] = image.signers.targets;
  assert.ok(signer);
  const images = {
    old: await imageOf("1.2.0", { signer, counter: 2 }),
    lowest: await imageOf("1.3.0", { signer, counter: 3 }),
    running: await imageOf("1.4.0", { signer, counter: 4 }),
    next: await imageOf("1.5.0", { signer, counter: 5, floor: "1.3.0" }),
    valve: await imageOf("9.0.0", { signer, counter: 9, name: "valve" }),
  };
  image.targets = Object.fromEntries(Object.values(images).map(({ path, target }) => [path, target]));
  await image.publish();
  director.extra = { deviceId: device };
  await director.publish();
  const trust = beginTrust({ image: image.root(), director: director.root() });
  return { image, director, images, online, trust };
}

/** As if the root had been made with these keys. */
async function republishFirstRoot(repository: PretendRepository): Promise<void> {
  repository.versions.root = 0;
  await repository.publishRoot(repository.signers.root);
  await repository.publish();
}

type Fleet = Awaited<ReturnType<typeof fleet>>;
const fetchFrom =
  ({ image, director }: Pick<Fleet, "image" | "director">) =>
  (name: string, most: number) => {
    const [repository, ...rest] = name.split("/");
    return (repository === "image" ? image : director).source(rest.join("/"), most);
  };

type Direct = {
  deployment?: string;
  rollback?: boolean;
  ecu?: string;
  counter?: number;
  hardwareId?: string;
  hardwareIds?: readonly string[] | undefined;
  target?: TargetFile;
};

/** What the director (or who owns it) says. */
async function direct({ director }: Fleet, { path, target }: Image, over: Direct = {}): Promise<void> {
  const { deployment = "dep_1", rollback = false, ecu = device, counter, hardwareId = "pump-2" } = over;
  const { length, hashes, custom } = over.target ?? target;
  const releaseCounter = counter ?? Number(custom?.releaseCounter ?? 0);
  const hardwareIds = "hardwareIds" in over ? over.hardwareIds : (custom?.hardwareIds as readonly string[]);
  const listed = hardwareIds === undefined ? {} : { hardwareIds };
  director.targets = {
    [path]: { length, hashes, custom: { deployment, rollback, ecuIdentifier: ecu, releaseCounter, hardwareId, ...listed } },
  };
  await director.publish();
}

const offerOf = ({ envelope }: Image, over: Partial<Offer> = {}): Offer => ({
  is: "offer",
  deployment: "dep_1",
  release: envelope,
  artifactPath: artifactPath(envelope.signed.artifact.sha256),
  deadlineS: 600,
  rollback: false,
  ...over,
});

/** The device's whole judgement of an offer: metadata first, then the offer. `installs` or the reason that it reports. */
async function judge(scene: Fleet, offer: Offer, { trust = scene.trust, at = now }: { trust?: DeviceTrust; at?: number } = {}) {
  const running = scene.images.running.statement.artifact.sha256;
  const { trust: next, checked } = await follow(trust, fetchFrom(scene), { device, model: "pump-2", running, now: at });
  const memory = freshMemory();
  const session = {
    ...freshSession(memory, { mono: 0, device }),
    heard: offer,
    checked: { deployment: offer.deployment, verdict: checked },
  };
  const config = { ...defaultPatience, device, model: "pump-2", heartbeatMs: 1_000, telemetryMs: 1_000, trustedKeys: [] };
  const picture: Picture = {
    config,
    memory,
    trust: next,
    asksMetadata: true,
    boot: { good: "a" },
    running: { slot: "a", version: "1.4.0", hash: running, bootId: "b", bootedAt: 0 },
    session,
    now: at,
    mono: 0,
  };
  const after = hear(picture, offer);
  const verdict: DeploymentReason | "installs" | undefined = after.update ? "installs" : after.ended.at(-1)?.report?.reason;
  return { verdict, trust: parseDeviceTrust(JSON.stringify(next)), checked };
}

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
