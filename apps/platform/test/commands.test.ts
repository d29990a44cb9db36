import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { minutes } from "@tenfold/base";
import { api, type CommandDocument, commandDocument, desiredDocument, type LiveEvent } from "@tenfold/contracts";
import type { MqttClient } from "mqtt";
import { connect, type Device, enroll, eventually, httpsDevice, publish } from "./fleet.ts";
import { startWorld, type World } from "./world.ts";

describe("commands and desired states at a running platform", () => {
  let world: World;
  let devices: Device[];

  before(async () => {
    world = await startWorld();
    devices = await enroll(world, ["valve-0", "valve-1", "valve-2", "valve-3"]);
  });
  after(() => world?.[Symbol.asyncDispose]());

  const device = (n: number): Device => {
    const found = devices[n];
    assert.ok(found);
    return found;
  };
  const give = async (id: string, deadline = "PT5M") => {
    const { items } = await world.client.call(api.giveCommand, {
      body: { device: id, name: "open", args: { degrees: 90 }, deadline, reason: "test" },
    });
    return items[0]?.id ?? "";
  };
  const show = (id: string) => world.client.call(api.getCommand, { params: { id } });
  const become = (id: string, state: string) =>
    eventually(
      `command ${id} ${state}`,
      () => show(id),
      (one) => one.state === state,
    );

  test("a command waits for the device, is delivered by its PUBACK when it listens, and ends with its answer", async () => {
    const { id } = device(0);
    const command = await give(id);
    await eventually(
      "a try",
      () => show(command),
      ({ attempts }) => attempts > 0,
    );
    assert.equal((await show(command)).state, "queued");
    const client = await connect(world, device(0));
    const heard = hearing(client, `devices/${id}/commands/+`);
    const document = commandDocument.parse(JSON.parse(await (await heard).next()));
    assert.deepEqual([document.command, document.name, document.args], [command, "open", { degrees: 90 }]);
    assert.ok(document.deadlineS <= 300 && document.deadlineS > 240);
    assert.ok((await become(command, "delivered")).deliveredAt);
    await publish(client, `devices/${id}/commands/${command}/result`, { status: "failed", code: "stuck", detail: "Rust." });
    const ended = await become(command, "failed");
    assert.match(ended.because, /stuck: Rust\.$/);
    const { items } = await world.client.call(api.getDeviceTimeline, { params: { id }, query: {} });
    assert.ok(items.some(({ kind, text }) => kind === "command" && text.includes("failed")));
    await client.endAsync();
  });

  test("a device that listens gets a command at once; lost without a PUBACK, it comes again on the next connection", async () => {
    const { id } = device(1);
    const got = Promise.withResolvers<string>();
    // MQTT.js acknowledges when this calls back: never.
    const mute = await connect(world, device(1), { customHandleAcks: (_topic, payload) => got.resolve(payload.toString()) });
    await mute.subscribeAsync(`devices/${id}/commands/+`, { qos: 1 });
    const command = await give(id);
    assert.equal((JSON.parse(await got.promise) as CommandDocument).command, command);
    await become(command, "sent");
    mute.end(true);
    const client = await connect(world, device(1));
    const second = await hearing(client, `devices/${id}/commands/#`);
    assert.equal((JSON.parse(await second.next()) as CommandDocument).command, command);
    await become(command, "delivered");
    await client.endAsync();
  });

  test("silence past the deadline is expired, and who watches hears of it", async () => {
    const events: LiveEvent[] = [];
    const watching = new AbortController();
    const watched = watch(world, watching.signal, events);
    const command = await give(device(2).id, "PT1M");
    world.pass(minutes(2));
    const { because } = await become(command, "expired");
    assert.equal(because, "The device was not connected before the deadline.");
    await eventually(
      "the live event",
      async () => events.map(({ type, subject, data }) => `${type} ${subject} ${data.state}`),
      (told) => told.includes(`command.changed ${device(2).id} expired`),
    );
    watching.abort();
    await watched;
  });

  test("tenfold device watch tells what happens to that device as it happens, and of no other, until Ctrl-C", async (t) => {
    const cli = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));
    const child = spawn(process.execPath, [cli, "--url", world.url, "device", "watch", device(2).id, "--jsonl"], {
      env: { ...process.env, TENFOLD_TOKEN: world.token },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines: { type: string; subject: string }[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => lines.push(JSON.parse(line)));
    t.after(() => child.kill("SIGKILL"));
    // Given until the command listens, which may take it a while to start: what happened before is not told.
    const given: string[] = [];
    for (const deadline = Date.now() + 60_000; lines.length === 0 && Date.now() < deadline; ) {
      given.push(await give(device(3).id), await give(device(2).id));
      await new Promise((resolve) => setTimeout(resolve, 3_000));
    }
    assert.deepEqual([...new Set(lines.map(({ subject }) => subject))], [device(2).id]);
    child.kill("SIGINT");
    assert.deepEqual(await once(child, "exit"), [0, null]);
    for (const id of given) await world.client.call(api.cancelCommand, { params: { id }, body: { reason: "the test is over" } });
  });

  test("a device that only speaks HTTPS fetches what waits and answers", async () => {
    const command = await give(device(3).id);
    await using https = httpsDevice(world, device(3));
    const { body } = await https.ask("GET", "/v1/commands");
    assert.deepEqual(
      (JSON.parse(body).commands as CommandDocument[]).map((one) => one.command),
      [command],
    );
    assert.equal((await show(command)).state, "sent");
    const bad = await https.ask("POST", `/v1/commands/${command}/result`, '{"status":"done"}');
    assert.deepEqual([bad.status, JSON.parse(bad.body).code], [422, "command_result_invalid"]);
    for (const status of ["succeeded", "failed"])
      assert.equal((await https.ask("POST", `/v1/commands/${command}/result`, JSON.stringify({ status }))).status, 200);
    assert.ok((await become(command, "succeeded")).deliveredAt);
    assert.equal(JSON.parse((await https.ask("GET", "/v1/commands")).body).commands.length, 0);
  });

  test("a desired state reaches a device that listens and one that comes later, and converges when it says so", async () => {
    const { id } = device(0);
    const client = await connect(world, device(0));
    const heard = await hearing(client, `devices/${id}/state/desired`);
    await world.client.call(api.replaceDesiredState, { params: { id }, body: { state: { flow: 3 }, reason: "test" } });
    assert.deepEqual(desiredDocument.parse(JSON.parse(await heard.next())), { generation: 1, state: { flow: 3 } });
    await client.endAsync();
    await world.client.call(api.mergeDesiredState, {
      params: { id },
      body: { patch: { flow: 4 }, expectedGeneration: 1, reason: "more" },
    });
    const later = await connect(world, device(0));
    const again = await hearing(later, `devices/${id}/#`);
    assert.deepEqual(JSON.parse(await again.next((payload) => payload.includes("state"))), {
      generation: 2,
      state: { flow: 4 },
    });
    await publish(later, `devices/${id}/state/reported`, { flow: 4, desired: { generation: 2 } });
    const state = await eventually(
      "convergence",
      () => world.client.call(api.getDeviceState, { params: { id } }),
      ({ convergence }) => convergence.is === "converged",
    );
    assert.deepEqual(state.reported, { flow: 4, desired: { generation: 2 } });
    await using https = httpsDevice(world, device(0));
    assert.deepEqual(JSON.parse((await https.ask("GET", "/v1/state")).body), { generation: 2, state: { flow: 4 } });
    await later.endAsync();
  });

  test("another device cannot answer for this one", async () => {
    const command = await give(device(1).id);
    await using https = httpsDevice(world, device(3));
    assert.equal((await https.ask("POST", `/v1/commands/${command}/result`, '{"status":"succeeded"}')).status, 200);
    const own = await give(device(3).id);
    await https.ask("POST", `/v1/commands/${own}/result`, '{"status":"succeeded"}');
    await become(own, "succeeded");
    assert.equal((await show(command)).result, undefined);
  });
});

/** Subscribes, and gives what comes down, in order. */
async function hearing(client: MqttClient, filter: string) {
  const heard: string[] = [];
  let stir = () => {};
  client.on("message", (_topic, payload) => {
    heard.push(payload.toString());
    stir();
  });
  client.on("error", () => {});
  await client.subscribeAsync(filter, { qos: 1 });
  return {
    /** The next message that is wanted; rejects after 10 s. */
    async next(wanted: (payload: string) => boolean = () => true): Promise<string> {
      for (const deadline = performance.now() + 10_000; performance.now() < deadline; ) {
        const message = heard.shift();
        if (message !== undefined && wanted(message)) return message;
        if (message !== undefined) continue;
        await new Promise<void>((resolve) => {
          stir = resolve;
          setTimeout(resolve, 1_000).unref();
        });
      }
      throw new Error(`nothing came down on ${filter}`);
    },
  };
}

/** Gathers live events until the signal. */
async function watch(world: World, signal: AbortSignal, events: LiveEvent[]): Promise<void> {
  try {
    const response = await world.client.raw("GET", "/api/v1/events", { headers: { accept: "text/event-stream" }, signal });
    if (response.body === null) return;
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream()))
      for (const [, data] of chunk.matchAll(/^data: (\{"id".*)$/gm)) events.push(JSON.parse(data ?? "") as LiveEvent);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
