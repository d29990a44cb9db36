import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { api, type Deployment } from "@tenfold/contracts";
import { generateSigningKey, readPrivateKey, signRelease } from "@tenfold/ota";
import { type Device, enroll } from "../../apps/platform/test/fleet.ts";
import { startWorld, type World } from "../../apps/platform/test/world.ts";
import { type Answer, type DdiClient, ddiClient } from "./client.ts";

export type DdiWorld = AsyncDisposable & {
  world: World;
  /** A new device with its client; it told `1.0.0` unless it is to be silent about its version. */
  device(id: string, tells?: Record<string, string>): Promise<Hardware>;
  /** A signed release of these bytes. */
  release(version: string, bytes?: Buffer): Promise<void>;
  /** A rollout of one release to one device, offered. */
  offer(version: string, device: string, plan?: Record<string, unknown>): Promise<string>;
  /** The same, not waited for. */
  start(version: string, device: string, plan?: Record<string, unknown>): Promise<string>;
  halt(rollout: string): Promise<void>;
  deployment(device: string, rollout: string): Promise<Deployment>;
};

export type Hardware = DdiClient & {
  id: string;
  credentials: Device;
  tell(data: Record<string, string>): Promise<Answer>;
  poll(): Promise<Answer>;
};

/** A whole platform and devices that know nothing but DDI. Its clock can be moved; the loop of the rollouts turns ten times a second. */
export async function ddiWorld(env: Record<string, string> = {}): Promise<DdiWorld> {
  const world = await startWorld({ TENFOLD_ROLLOUT_TICK: "100ms", TENFOLD_DDI_POLLING: "60s", ...env });
  const { client } = world;
  const signer = generateSigningKey();
  await client.call(api.createSigningKey, { body: { name: "conformance", publicKeyPem: signer.publicKeyPem } });
  const deployment = async (device: string, rollout: string) => {
    const { items } = await client.call(api.listDeviceDeployments, { params: { id: device } });
    const found = items.find((one) => one.rollout === rollout);
    assert.ok(found, `${device} has no deployment of ${rollout}`);
    return found;
  };
  const start: DdiWorld["start"] = async (version, device, plan = {}) => {
    const body = {
      release: version,
      filter: `id:${device}`,
      stages: [{ share: 1 }],
      soak: "PT0S",
      deadline: "PT1H",
      retries: { most: 0 },
      ...plan,
    };
    return (await client.call(api.startRollout, { body: { ...body, onHalt: "stop" as const } })).id;
  };
  return {
    world,
    deployment,
    async device(id, tells = { firmware_version: "1.0.0" }) {
      const [device] = await enroll(world, [id]);
      assert.ok(device);
      const asking = ddiClient(world, device);
      const hardware = {
        ...asking,
        id,
        credentials: device,
        tell: (data: Record<string, string>) => asking.ask("/configData", { method: "PUT", body: { mode: "merge", data } }),
        poll: () => asking.ask(""),
      };
      await hardware.poll();
      if (Object.keys(tells).length > 0) await hardware.tell(tells);
      return hardware;
    },
    async release(version, bytes = Buffer.from(`070701 firmware ${version}`)) {
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const put = await fetch(new URL(`/api/v1/artifacts/${sha256}`, world.url), {
        method: "PUT",
        headers: { Authorization: `Bearer ${world.token}`, "Content-Type": "application/octet-stream" },
        body: new Uint8Array(bytes),
      });
      assert.ok(put.ok, `the artifact was answered with ${put.status}`);
      const statement = {
        type: "tenfold.release.v1" as const,
        name: "gate",
        version,
        models: [],
        artifact: { sha256, size: bytes.length },
        signedAt: new Date().toISOString(),
      };
      await client.call(api.createRelease, { body: { envelope: signRelease(statement, readPrivateKey(signer.privateKeyPem)) } });
    },
    start,
    async offer(version, device, plan) {
      const id = await start(version, device, plan);
      await until(async () => assert.equal((await deployment(device, id)).state, "offered"));
      return id;
    },
    async halt(rollout) {
      await client.call(api.rollBackRollout, { params: { id: rollout }, body: { reason: "conformance" } });
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

/** Looks again until it holds, for ten seconds. */
export async function until(examine: () => Promise<void>): Promise<void> {
  for (const deadline = Date.now() + 10_000; ; await wait(50)) {
    try {
      return await examine();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

/** What clients send. */
export const feedback = (execution: string, finished: string, details: string[] = []) => ({
  method: "POST",
  body: { id: "1", time: "20260101T000000", status: { execution, result: { finished }, details } },
});
