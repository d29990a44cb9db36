import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { minutes, seconds } from "@tenfold/base";
import { api, type NextDeployment } from "@tenfold/contracts";
import type { MqttClient } from "mqtt";
import { connect, heartbeat, publish } from "../../apps/platform/test/fleet.ts";
import { type DdiWorld, ddiWorld, feedback, type Hardware, until } from "./world.ts";

/** How updates end whose devices answer late, falsely or never. */
describe("the ends of updates", () => {
  let ddi: DdiWorld;
  before(async () => {
    ddi = await ddiWorld();
    await ddi.release("2.0.0");
  });
  after(() => ddi?.[Symbol.asyncDispose]());

  const linked = async (device: Hardware, name: string): Promise<string> => {
    let href = "";
    await until(async () => {
      href = (await device.poll()).json._links[name]?.href ?? "";
      assert.notEqual(href, "", `no ${name}`);
    });
    return href;
  };
  const fetchUpdate = async (device: Hardware): Promise<string> => {
    const { json } = await device.askUrl(await linked(device, "deploymentBase"));
    await device.askUrl(json.deployment.chunks[0].artifacts[0]._links.download.href);
    return json.id;
  };
  const ended = async (device: string, rollout: string) => {
    const { state, reason } = await ddi.deployment(device, rollout);
    return [state, reason];
  };

  test("[DDI 6.3] a DDI device that never answers its cancelAction ends by its deadline, and not before", async () => {
    const device = await ddi.device("stuck-ddi");
    const rollout = await ddi.offer("2.0.0", device.id, { deadline: "PT10M" });
    await fetchUpdate(device);
    await ddi.halt(rollout);
    const cancel = await linked(device, "cancelAction");
    assert.equal((await device.askUrl(cancel)).status, 200);
    ddi.world.pass(minutes(9));
    // It goes on polling, is shown what it does not answer, and is still waited for.
    assert.equal(await linked(device, "cancelAction"), cancel);
    assert.equal((await ddi.deployment(device.id, rollout)).state, "downloading");
    ddi.world.pass(minutes(1) + seconds(1));
    await until(async () => assert.deepEqual(await ended(device.id, rollout), ["unresponsive", "silent_during_update"]));
    // What it is shown for a day more does not open the deployment again.
    assert.equal(await linked(device, "cancelAction"), cancel);
    const { phase } = await ddi.world.client.call(api.getRollout, { params: { id: rollout } });
    assert.ok(["halted", "rolled_back"].includes(phase), phase);
  });

  test("a device of our own protocol that never answers its cancellation ends by its deadline, and not before", async () => {
    const { credentials } = await ddi.device("stuck-own", {});
    const client = await connect(ddi.world, credentials);
    const heard: NextDeployment[] = [];
    client.on("message", (_topic, payload) => heard.push(JSON.parse(payload.toString())));
    await client.subscribeAsync("devices/stuck-own/deployments/next", { qos: 1 });
    await publish(client, "devices/stuck-own/heartbeat", heartbeat(3_600));
    await until(async () => {
      const { firmware } = await ddi.world.client.call(api.getDevice, { params: { id: "stuck-own" } });
      assert.ok(firmware);
    });
    const rollout = await ddi.offer("2.0.0", "stuck-own", { deadline: "PT10M" });
    const { id } = await ddi.deployment("stuck-own", rollout);
    await publish(client, `devices/stuck-own/deployments/${id}`, { state: "installing" });
    await until(async () => assert.equal((await ddi.deployment("stuck-own", rollout)).state, "installing"));
    await ddi.halt(rollout);
    await until(async () => assert.deepEqual(heard.at(-1), { is: "cancel", deployment: id }));
    ddi.world.pass(minutes(9));
    await publish(client, "devices/stuck-own/heartbeat", heartbeat(3_600, 1));
    assert.equal((await ddi.deployment("stuck-own", rollout)).state, "installing");
    ddi.world.pass(minutes(1) + seconds(1));
    await until(async () => assert.deepEqual(await ended("stuck-own", rollout), ["unresponsive", "silent_during_update"]));
    await client.endAsync();
  });

  /** A device whose client tells no attributes, and whose application sends heartbeats. */
  const beating = async (id: string): Promise<{ device: Hardware; client: MqttClient; beat: Beat }> => {
    const device = await ddi.device(id, {});
    const client = await connect(ddi.world, device.credentials);
    let seq = 0;
    const beat: Beat = async (bootId, uptimeS) => {
      await publish(client, `devices/${id}/heartbeat`, { ...heartbeat(600, seq++), bootId, uptimeS });
      await until(async () => {
        const known = await ddi.world.client.call(api.getDevice, { params: { id } });
        assert.equal(known.bootId, bootId);
      });
    };
    return { device, client, beat };
  };
  type Beat = (bootId: string, uptimeS: number) => Promise<void>;

  test("[DDI 8.3] success that is reported after a boot of the old version, of which heartbeats told, is a fall-back at once", async () => {
    const { device, client, beat } = await beating("beats-fell-back");
    await beat("boot-1", 1_000);
    const rollout = await ddi.offer("2.0.0", device.id);
    const action = await fetchUpdate(device);
    ddi.world.pass(seconds(60));
    await beat("boot-2", 5);
    assert.equal((await ddi.deployment(device.id, rollout)).state, "downloading");
    await device.ask(`/deploymentBase/${action}/feedback`, feedback("closed", "success"));
    assert.deepEqual(await ended(device.id, rollout), ["rolled_back", "boot_fell_back"]);
    await client.endAsync();
  });

  test("[DDI 8.3] the boot in which the update was fetched is no fall-back, also where it was heard of only afterwards", async () => {
    const { device, client, beat } = await beating("beats-late");
    await beat("boot-1", 1_000);
    const rollout = await ddi.offer("2.0.0", device.id);
    ddi.world.pass(seconds(60));
    const action = await fetchUpdate(device);
    ddi.world.pass(seconds(5));
    // It began before the fetch.
    await beat("boot-2", 30);
    await device.ask(`/deploymentBase/${action}/feedback`, feedback("closed", "success"));
    assert.equal((await ddi.deployment(device.id, rollout)).state, "rebooting");
    await client.endAsync();
  });
});
