import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { days } from "@tenfold/base";
import { api, type ReleaseStatement } from "@tenfold/contracts";
import { beginTrust, type DeviceTrust, follow, talkMetadata } from "@tenfold/device";
import {
  type MetadataSigner,
  makeRoot,
  makeTargets,
  metadataTime,
  signMetadata,
  signReleaseWith,
  statementHash,
  type TargetFile,
  type TufKey,
} from "@tenfold/ota";
import { newMetadataSigner } from "@tenfold/testkit";
import { connect, type Device, enroll, eventually, heartbeat, httpsDevice, publish } from "./fleet.ts";
import { startWorld, type World } from "./world.ts";

let world: World;
let device: Device;
let other: Device;
const keys = { root: newMetadataSigner("p256"), targets: newMetadataSigner(), director: newMetadataSigner() };
let listed: Record<string, TargetFile> = {};
const roots = { image: "", director: "" };

before(async () => {
  world = await startWorld({ TENFOLD_ROLLOUT_TICK: "100ms" });
  [device, other] = (await enroll(world, ["pump-1", "pump-2"])) as [Device, Device];
});
after(() => world[Symbol.asyncDispose]());

const role = (...signers: { key: TufKey }[]) => ({ keys: signers.map(({ key }) => key), threshold: 1 });

async function rootFor(
  repository: "image" | "director",
  {
    version = 1,
    online = undefined as TufKey | undefined,
    signers,
  }: { version?: number; online?: TufKey; signers: MetadataSigner[] },
) {
  const server = { key: online ?? (await world.client.call(api.getMetadataStatus, {})).online.key };
  const own = repository === "image" ? keys.root : keys.director;
  const targets = repository === "image" ? role(keys.targets) : role(server);
  const roles = { root: role(own), timestamp: role(server), snapshot: role(server), targets };
  return signMetadata(makeRoot({ version, expires: Date.now() + days(365), signedAt: Date.now(), roles }), signers);
}

const publishRoot = (repository: "image" | "director", text: string) =>
  world.client.call(api.publishRoot, { params: { repository }, body: { text } });

async function publishTargets(version: number, signer = keys.targets, over: Partial<Parameters<typeof makeTargets>[0]> = {}) {
  const text = await signMetadata(makeTargets({ version, expires: Date.now() + days(90), targets: listed, ...over }), [signer]);
  return world.client.call(api.publishTargets, { params: { role: "targets" }, body: { text } });
}

/** A release with its artifact, signed by the targets key; registered when the repository lists it. */
async function makeRelease(version: string, models: string[] = []) {
  const bytes = Buffer.from(`firmware ${version}`);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  await world.client.raw("PUT", `/api/v1/artifacts/${sha256}`, {
    body: bytes,
    headers: { "content-type": "application/octet-stream" },
  });
  const statement: ReleaseStatement = {
    type: "tenfold.release.v1",
    name: "pump",
    version,
    models,
    artifact: { sha256, size: bytes.length },
    signedAt: metadataTime(Date.now()),
  };
  const envelope = await signReleaseWith(statement, [keys.targets]);
  const custom = { hardwareIds: models, releaseCounter: Object.keys(listed).length + 1, statement: statementHash(statement) };
  const target: TargetFile = { length: bytes.length, hashes: { sha256 }, custom };
  return {
    envelope,
    path: `pump/${version}`,
    target,
    register: () => world.client.call(api.createRelease, { body: { envelope, notes: "" } }),
  };
}

async function look(who: Device, trust: DeviceTrust, model = "pump") {
  await using talk = talkMetadata({ server: { url: world.deviceUrl, ca: world.ca }, identity: who, device: who.id });
  return await follow(trust, talk.fetch, { device: who.id, model, running: undefined, now: Date.now() });
}

test("a root must name the server's key, be signed by its own, and come in order", async () => {
  const stranger = await rootFor("image", { online: newMetadataSigner().key, signers: [keys.root] });
  await assert.rejects(publishRoot("image", stranger), { code: "metadata_online_key_missing" });
  await assert.rejects(publishRoot("image", await rootFor("image", { signers: [keys.targets] })), { code: "metadata_refused" });
  await assert.rejects(publishRoot("image", await rootFor("image", { version: 2, signers: [keys.root] })), {
    code: "metadata_out_of_order",
  });
  await assert.rejects(publishTargets(1), { code: "repository_not_set_up" });
  roots.image = await rootFor("image", { signers: [keys.root] });
  roots.director = await rootFor("director", { signers: [keys.director] });
  await publishRoot("image", roots.image);
  await publishRoot("image", roots.image);
  await publishRoot("director", roots.director);
  await publishTargets(1);
});

test("targets that offline keys did not sign, that come late, or that no device could install are refused", async () => {
  await assert.rejects(publishTargets(2, newMetadataSigner()), { code: "metadata_refused" });
  await assert.rejects(publishTargets(1, keys.targets, { expires: Date.now() + days(3) }), { code: "metadata_out_of_order" });
  await assert.rejects(publishTargets(2, keys.targets, { expires: Date.now() - 1_000 }), { code: "metadata_refused" });
  const nameless = { "pump/../1": { length: 1, hashes: { sha256: "ab".repeat(32) } } };
  await assert.rejects(publishTargets(2, keys.targets, { targets: nameless }), { code: "metadata_refused" });
});

test("with an image repository a release exists only when offline keys list it", async () => {
  const release = await makeRelease("2.0.0");
  await assert.rejects(release.register(), { code: "release_unlisted" });
  listed = { [release.path]: release.target };
  await publishTargets(2);
  assert.equal((await release.register()).version, "2.0.0");
});

test("the director speaks to each device by its name, also when there is nothing to say, and signs nothing anew for a poll", async () => {
  const first = await look(device, beginTrust(roots));
  assert.deepEqual(first.checked, { is: "nothing" });
  const again = await look(device, first.trust);
  assert.deepEqual(again.trust, first.trust);
  await using stranger = httpsDevice(world, other);
  assert.equal((await stranger.ask("GET", "/tuf/director/pump-1/timestamp.json")).status, 403);
  const replayed = await look(other, beginTrust(roots));
  assert.deepEqual(
    (
      await follow(
        { ...beginTrust(roots), director: replayed.trust.director },
        async (name) => (name.endsWith("root.json") ? undefined : sourceOf(replayed.trust, name)),
        { device: "pump-1", model: "pump", running: undefined, now: Date.now() },
      )
    ).checked,
    {
      is: "refuse",
      because: "metadata_wrong_device",
      repository: "director",
      detail: "In the metadata of the director: The metadata is for pump-2; this is pump-1.",
    },
  );
});

/** The files that a device was given, as a mirror would give them to another. */
function sourceOf({ director, image }: DeviceTrust, name: string): Buffer {
  const [repository, file = ""] = name.split("/");
  const files = repository === "director" ? director : image;
  const text = file.includes("timestamp") ? files.timestamp : file.includes("snapshot") ? files.snapshot : files.targets?.targets;
  return Buffer.from(text ?? "");
}

test("a rollout's offer stands in the director's metadata, agrees with the image repository, and goes when it is over", async () => {
  const client = await connect(world, device);
  await publish(client, "devices/pump-1/heartbeat", heartbeat(60));
  await eventually(
    "the device is known",
    () => world.client.call(api.getDevice, { params: { id: "pump-1" } }),
    ({ firmware }) => firmware !== undefined,
  );
  const body = { release: "2.0.0", filter: "id:pump-1", stages: [{ share: 1 }], deadline: "PT10M", soak: "PT1S", atOnce: 1 };
  const rollout = await world.client.call(api.startRollout, { body });
  let trust = beginTrust(roots);
  const seen = await eventually(
    "the director directs",
    async () => {
      const looked = await look(device, trust);
      trust = looked.trust;
      return looked.checked;
    },
    ({ is }) => is === "directed",
  );
  assert.ok(seen.is === "directed");
  assert.equal(seen.direction.path, "pump/2.0.0");
  assert.equal(seen.custom.releaseCounter, 1);
  await world.client.call(api.rollBackRollout, { params: { id: rollout.id }, body: { reason: "seen enough" } });
  await eventually(
    "the director is silent",
    async () => (await look(device, trust)).checked,
    ({ is }) => is === "nothing",
  );
  await client.endAsync();
});

test("a device that is other hardware than the rollout took it for is directed nothing, and its deployment says why", async () => {
  const release = await makeRelease("3.0.0", ["pump-b"]);
  listed = { ...listed, [release.path]: release.target };
  await publishTargets(5);
  await release.register();
  const client = await connect(world, other);
  const tells = (model: string, seq: number) => publish(client, "devices/pump-2/heartbeat", { ...heartbeat(60, seq), model });
  const modelIs = (model: string) =>
    eventually(
      `the model is ${model}`,
      () => world.client.call(api.getDevice, { params: { id: "pump-2" } }),
      (known) => known.model === model,
    );
  await tells("pump-b", 0);
  await modelIs("pump-b");
  const body = { release: "3.0.0", filter: "id:pump-2", stages: [{ share: 1 }], deadline: "PT10M", soak: "PT1S", atOnce: 1 };
  await world.client.call(api.startRollout, { body });
  const first = await eventually(
    "the director directs",
    async () => (await look(other, beginTrust(roots), "pump-b")).checked,
    ({ is }) => is === "directed",
  );
  assert.ok(first.is === "directed");
  assert.deepEqual([first.direction.hardwareId, first.direction.hardwareIds], ["pump-b", ["pump-b"]]);
  // The same board asks as another one would: the image is not for it.
  const asked = (await look(other, beginTrust(roots), "pump-c")).checked;
  assert.equal(asked.is === "refuse" ? asked.because : asked.is, "metadata_wrong_hardware");
  // Another board under the same name: the registry knows, and the director signs nothing more.
  await tells("pump-c", 1);
  await modelIs("pump-c");
  assert.deepEqual((await look(other, beginTrust(roots), "pump-c")).checked, { is: "nothing" });
  const { items } = await world.client.call(api.listDeviceDeployments, { params: { id: "pump-2" } });
  const [{ state, reason, detail } = {}] = items;
  assert.deepEqual(
    [state, reason, detail],
    ["skipped", "offer_incompatible_model", "The director does not sign it for pump-2: pump 3.0.0 is for pump-b; this is pump-c."],
  );
  await client.endAsync();
});

test("an image is served under TUF's name for it, and its bytes are those that were signed", async () => {
  const [path, target] = Object.entries(listed)[0] ?? [];
  await using https = httpsDevice(world, device);
  const { status, body } = await https.ask("GET", `/tuf/image/targets/pump/${target?.hashes.sha256}.2.0.0`);
  assert.deepEqual([path, status, body], ["pump/2.0.0", 200, "firmware 2.0.0"]);
});

test("a release that is delisted can no longer be rolled out", async () => {
  const kept = listed;
  listed = {};
  await publishTargets(6);
  const body = { release: "2.0.0", filter: "id:pump-2", stages: [{ share: 1 }], deadline: "PT10M", soak: "PT1S", atOnce: 1 };
  await assert.rejects(world.client.call(api.startRollout, { body }));
  listed = kept;
  await publishTargets(7);
});

test("timestamps are signed anew before they end, and only then", async () => {
  const fetchTimestamp = async () => {
    await using https = httpsDevice(world, device);
    return (await https.ask("GET", "/tuf/image/timestamp.json")).body;
  };
  const first = await fetchTimestamp();
  assert.equal(await fetchTimestamp(), first);
  world.pass(days(0.6));
  const second = await fetchTimestamp();
  assert.ok(JSON.parse(second).signed.version > JSON.parse(first).signed.version);
  assert.equal(JSON.parse(second).signed.meta["snapshot.json"].version, JSON.parse(first).signed.meta["snapshot.json"].version);
});
