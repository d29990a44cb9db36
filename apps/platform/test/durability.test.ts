import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { api } from "@tenfold/contracts";
import type { MqttClient } from "mqtt";
import { type Child, failsToStart, freePorts, processesOf, startChild } from "./child.ts";
import { connect, type Device, enroll, eventually, httpsDevice, publish } from "./fleet.ts";
import { type DataFolder, dataFolder } from "./folder.ts";

const fleetSize = 20;
const each = 1_000;
/** Far above what the test sends, so that the pace of a single device is not what is measured. */
const fast = { TENFOLD_DEVICE_MESSAGES_PER_SECOND: "100000", TENFOLD_DEVICE_BURST: "100000" };

describe("a platform that ends in the middle of its work", () => {
  let folder: DataFolder;
  let env: Record<string, string>;
  let platform: Child;
  let devices: Device[];

  before(async () => {
    folder = await dataFolder();
    env = { ...fast, ...(await freePorts()) };
    platform = await startChild(folder.path, env);
    devices = await enroll(
      platform,
      Array.from({ length: fleetSize }, (_, n) => `press-${n}`),
    );
  });
  after(async () => {
    await platform?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  test("its processes can be seen: otherwise their absence below would prove nothing", () => {
    const seen = processesOf(folder.path).join("\n");
    for (const name of ["main.ts", "postgres -D", "postgres: checkpointer", "chdb-worker", "/bin/sh"])
      assert.ok(seen.includes(name), `${name} is not among:\n${seen}`);
  });

  test("killed with -9 during 20,000 messages, it loses none that it acknowledged, doubles none, and leaves nothing behind", async (t) => {
    const sent = await sendUntil(platform, devices, {
      metric: "killed",
      acknowledged: 5_000,
      act: async () => void (await platform.end("SIGKILL")),
    });
    assert.ok(sent.acknowledged < fleetSize * each, "it was killed too late to be in the middle");
    await nothingLeft(folder.path);
    platform = await startChild(folder.path, env);
    await assertStored(platform, { sent, metric: "killed", fence: devices[0] });
    t.diagnostic(`${sent.acknowledged} of ${fleetSize * each} were acknowledged before the kill`);
  });

  test("told to end by SIGTERM under load, it answers for what it took, and exits 0 within 10 s", async (t) => {
    let ended: { code: number | null; ms: number } | undefined;
    const sent = await sendUntil(platform, devices, {
      metric: "drained",
      acknowledged: 5_000,
      act: async () => {
        ended = await platform.end("SIGTERM");
      },
    });
    assert.equal(ended?.code, 0);
    assert.ok(ended.ms < 10_000, `it took ${ended.ms} ms`);
    await nothingLeft(folder.path);
    platform = await startChild(folder.path, env);
    await assertStored(platform, { sent, metric: "drained", fence: devices[0] });
    t.diagnostic(`drained in ${ended.ms.toFixed(0)} ms; ${sent.acknowledged} were acknowledged`);
  });

  test("a port that is taken ends the start with exit code 1, names the setting, and leaves nothing running", async () => {
    await using other = await dataFolder();
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
    const address = holder.address();
    const port = String(typeof address === "object" ? address?.port : 0);
    const { code, said } = await failsToStart(other.path, { TENFOLD_DEVICE_HTTPS_PORT: port });
    await new Promise((resolve) => holder.close(resolve));
    assert.equal(code, 1, said);
    assert.match(said, new RegExp(`Port ${port} is in use`));
    assert.match(said, /TENFOLD_DEVICE_HTTPS_PORT/);
    await nothingLeft(other.path);
  });
});

type Sent = { acknowledged: number /** The acknowledged sequence numbers of each device. */; seqs: Map<string, Set<number>> };
type Sending = { metric: string /** After so many acknowledgements … */; acknowledged: number; act: () => Promise<void> };

/** Every device sends its sequence numbers at QoS 1 as fast as it is answered, until the platform is gone. */
async function sendUntil(platform: Child, devices: readonly Device[], { metric, acknowledged, act }: Sending): Promise<Sent> {
  const sent: Sent = { acknowledged: 0, seqs: new Map(devices.map(({ id }) => [id, new Set()])) };
  let acting: Promise<void> | undefined;
  const noted = (id: string, seq: number) => {
    sent.seqs.get(id)?.add(seq);
    sent.acknowledged += 1;
    if (sent.acknowledged >= acknowledged) acting ??= act();
  };
  const clients = await Promise.all(devices.map((device) => connect(platform, device, { protocolVersion: 4 })));
  // Some of them over both ways in at the same time, with numbers of their own.
  const posting = devices.slice(0, 3).map((device) => postAll(platform, device, { metric, noted: (seq) => noted(device.id, seq) }));
  await Promise.all([
    ...devices.map(({ id }, n) => sendAll(clients[n], { id, metric, noted: (seq) => noted(id, seq) })),
    ...posting,
  ]);
  await acting;
  for (const client of clients) await client.endAsync(true);
  return sent;
}

type Stream = { id: string; metric: string; noted: (seq: number) => void };

/** One request after the other, until one is not answered with 200. */
async function postAll(platform: Child, device: Device, { metric, noted }: Omit<Stream, "id">): Promise<void> {
  await using https = httpsDevice(platform, device);
  for (let seq = each; seq < 2 * each; seq++) {
    const body = JSON.stringify({ ts: Date.now() - each + seq, [metric]: seq });
    const answer = await https.ask("POST", "/v1/telemetry", body).catch(() => undefined);
    if (answer?.status !== 200) return;
    noted(seq);
  }
}

async function sendAll(client: MqttClient | undefined, { id, metric, noted }: Stream): Promise<void> {
  assert.ok(client);
  client.on("error", () => {});
  const gone = new Promise<void>((resolve) => client.once("close", resolve));
  // Times of their own, so that every message is a point of its own, and one stored twice would show.
  const start = Date.now() - each;
  const window = 50;
  const lane = async (first: number) => {
    for (let seq = first; seq < each && client.connected; seq += window) {
      const payload = JSON.stringify({ ts: start + seq, [metric]: seq });
      await client.publishAsync(`devices/${id}/telemetry`, payload, { qos: 1 });
      noted(seq);
    }
  };
  // What was not acknowledged when the connection broke may reject, or never settle.
  const lanes = Array.from({ length: window }, (_, first) => lane(first).catch(() => {}));
  await Promise.race([Promise.all(lanes), gone]);
}

type Expected = { sent: Sent; metric: string; fence: Device | undefined };

async function assertStored(platform: Child, { sent, metric, fence }: Expected): Promise<void> {
  assert.ok(fence);
  await assertCaughtUp(platform, fence, `${metric}-fence`);
  for (const [id, acknowledged] of sent.seqs) {
    const seqs = await valuesOf(platform, id, metric);
    const stored = new Set(seqs);
    const lost = [...acknowledged].filter((seq) => !stored.has(seq));
    assert.deepEqual(lost, [], `${id} lost acknowledged messages`);
    assert.equal(seqs.length, stored.size, `${id} has messages twice`);
  }
}

/** What was acknowledged before is stored before: once this message is seen, everything earlier was applied, and nothing will be again. */
async function assertCaughtUp(platform: Child, device: Device, metric: string): Promise<void> {
  const client = await connect(platform, device);
  await publish(client, `devices/${device.id}/telemetry`, { [metric]: 1 });
  await client.endAsync();
  await eventually(
    "the last message",
    () => valuesOf(platform, device.id, metric),
    (values) => values.length === 1,
  );
}

async function valuesOf(platform: Child, id: string, metric: string): Promise<number[]> {
  const query = { metric, points: 100_000 };
  const { points } = await platform.client.call(api.getDeviceTelemetry, { params: { id }, query });
  return points.map(({ v }) => Number(v));
}

async function nothingLeft(dataDir: string): Promise<void> {
  await eventually(
    "processes of the platform that ended",
    async () => processesOf(dataDir),
    (left) => left.length === 0,
  );
}
