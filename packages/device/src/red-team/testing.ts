import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { DeploymentReason, ReleaseStatement, SignedRelease } from "@tenfold/contracts";
import { artifactPath, type MetadataSigner, type Offer, signReleaseWith, statementHash, type TargetFile } from "@tenfold/ota";
import { createPretendRepository, newMetadataSigner, type PretendRepository } from "@tenfold/testkit";
import { hear } from "../deployments.ts";
import { beginTrust, type DeviceTrust, defaultPatience, follow, freshMemory, type Picture, parseDeviceTrust } from "../index.ts";
import { freshSession } from "../picture.ts";

/*
 * The thief of docs/operate/signing.md: he owns the server, its database and every key that is on line. That is the director's timestamp,
 * snapshot and targets, and the image repository's timestamp and snapshot. He does not have the root keys and the targets keys.
 */

export const now = Date.UTC(2026, 5, 1);
export const device = "pump-1";

export type Image = { statement: ReleaseStatement; envelope: SignedRelease; target: TargetFile; path: string };

export async function imageOf(
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
export async function fleet() {
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

export type Fleet = Awaited<ReturnType<typeof fleet>>;
export const fetchFrom =
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
export async function direct({ director }: Fleet, { path, target }: Image, over: Direct = {}): Promise<void> {
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

export const offerOf = ({ envelope }: Image, over: Partial<Offer> = {}): Offer => ({
  is: "offer",
  deployment: "dep_1",
  release: envelope,
  artifactPath: artifactPath(envelope.signed.artifact.sha256),
  deadlineS: 600,
  rollback: false,
  ...over,
});

/** The device's whole judgement of an offer: metadata first, then the offer. `installs` or the reason that it reports. */
export async function judge(
  scene: Fleet,
  offer: Offer,
  { trust = scene.trust, at = now }: { trust?: DeviceTrust; at?: number } = {},
) {
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
