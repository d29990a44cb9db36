import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { days, seconds } from "@tenfold/base";
import { api } from "@tenfold/contracts";
import {
  createAuthority,
  issueCertificate,
  issuerOf,
  makeName,
  newDeviceKey,
  oids,
  privateKeyPem,
  publicKeyOf,
  randomSerial,
  toPem,
} from "@tenfold/pki";
import {
  type Credentials,
  closedAfter,
  connect,
  type Device,
  enroll,
  eventually,
  heartbeat,
  httpsDevice,
  publish,
} from "./fleet.ts";
import { startWorld, type World } from "./world.ts";

describe("devices at a running platform", () => {
  let world: World;
  let devices: Device[];

  before(async () => {
    world = await startWorld();
    devices = await enroll(world, ["pump-0", "pump-1", "pump-2", "pump-3", "pump-4", "pump-5"]);
  });
  after(() => world?.[Symbol.asyncDispose]());

  const device = (n: number): Device => {
    const found = devices[n];
    assert.ok(found);
    return found;
  };
  const connectivity = async (id: string) => (await world.client.call(api.getDevice, { params: { id } })).connectivity;
  const pointsOf = async (id: string, metric: string) =>
    (await world.client.call(api.getDeviceTelemetry, { params: { id }, query: { metric } })).points.map(({ at, v }) => [at, v]);
  const refusals = async (id: string) => {
    const { items } = await world.client.call(api.listEnrollmentAttempts, { query: { verdict: "refused", serial: id } });
    return items.filter(({ operation }) => operation === "connect").map(({ because }) => because);
  };
  const logged = (event: string, because: string) =>
    world.logged.some((line) => line.event === event && String(line.because) === because);

  test("what devices send over MQTT 5, MQTT 3.1.1 and HTTPS comes back from the API, exactly", async () => {
    const start = Date.UTC(2026, 0, 1);
    const sent = Array.from({ length: 20 }, (_, i) => ({ ts: start + i * 1_000, temperature: 20 + i / 8 }));
    for (const [n, protocolVersion] of [
      [0, 5],
      [1, 4],
    ] as const) {
      const { id } = device(n);
      const client = await connect(world, device(n), { protocolVersion });
      await Promise.all(sent.map((payload) => publish(client, `devices/${id}/telemetry`, payload)));
      await client.endAsync();
    }
    await using https = httpsDevice(world, device(2));
    for (const payload of sent) {
      const { status, body } = await https.ask("POST", "/v1/telemetry", JSON.stringify(payload));
      assert.deepEqual([status, body], [200, '{"stored":true}']);
    }
    const expected = sent.map(({ ts, temperature }) => [new Date(ts).toISOString(), temperature]);
    for (const n of [0, 1, 2]) {
      const points = await eventually(
        "points",
        () => pointsOf(device(n).id, "temperature"),
        (found) => found.length >= sent.length,
      );
      assert.deepEqual(points, expected);
    }
  });

  test("a device is online by its heartbeat, late when its lease is over, then offline, each with why", async () => {
    const { id } = device(0);
    const client = await connect(world, device(0));
    await publish(client, `devices/${id}/heartbeat`, heartbeat(3_600));
    const online = await eventually(
      "online",
      () => connectivity(id),
      ({ because }) => /lease of (1 h|60 min)/.test(because),
    );
    assert.equal(online.is, "online");
    await client.endAsync();
    world.pass(seconds(3_600));
    const late = await connectivity(id);
    assert.deepEqual([late.is, late.nextJudgementAt !== undefined], ["late", true]);
    assert.match(late.because, /^Late by .* ended at /);
    world.pass(seconds(3_600));
    const offline = await connectivity(id);
    assert.equal(offline.is, "offline");
    assert.match(offline.because, /^Silent for 2 h/);
  });

  test("the certificate of another authority is refused, on both ways in, with a logged reason", async () => {
    const stranger = await strangersCertificate(device(1).id);
    await assert.rejects(connect(world, stranger), { code: 135 });
    await using https = httpsDevice(world, stranger);
    const { status, body } = await https.ask("POST", "/v1/telemetry", "{}");
    assert.deepEqual([status, JSON.parse(body).code], [403, "device_not_admitted"]);
    assert.ok(logged("link.refused", "unknown_issuer"));
    const { items } = await world.client.call(api.listEnrollmentAttempts, { query: { verdict: "refused" } });
    assert.ok(items.some(({ operation, because }) => operation === "connect" && because === "unknown_issuer"));
  });

  test("a device reaches only its own topics, whatever it writes", async () => {
    const client = await connect(world, device(1));
    await assert.rejects(publish(client, `devices/${device(2).id}/telemetry`, { temperature: 99 }), { code: 135 });
    const [granted] = await client.subscribeAsync(`devices/${device(2).id}/#`).catch(() => [{ qos: 128 }]);
    assert.ok((granted?.qos ?? 128) >= 128, "a subscription to another device's topics was granted");
    await client.endAsync();
    assert.ok(world.logged.some(({ event, device: id }) => event === "link.input_refused" && id === device(1).id));
    assert.ok(!(await pointsOf(device(2).id, "temperature")).some(([, v]) => v === 99));
    await eventually(
      "the refusal on the device's page",
      async () => (await world.client.call(api.getDevice, { params: { id: device(1).id } })).refusedInputs.count,
      (count) => count > 0,
    );
  });

  const bars = [
    {
      n: 3,
      what: "suspended",
      because: "device_suspended",
      act: (id: string) => world.client.call(api.suspendDevice, { params: { id }, body: { reason: "test" } }),
    },
    {
      n: 4,
      what: "retired",
      because: "device_retired",
      act: (id: string) => world.client.call(api.retireDevice, { params: { id }, body: { reason: "test" } }),
    },
    { n: 5, what: "revoked", because: "certificate_revoked", act: revoke },
  ];
  for (const { n, what, because, act } of bars) {
    test(`${what}: live connections are closed now, and new ones refused with a logged reason`, async (t) => {
      const { id } = device(n);
      await using https = httpsDevice(world, device(n));
      assert.equal((await https.ask("POST", "/v1/telemetry", '{"temperature":1}')).status, 200);
      const client = await connect(world, device(n));
      const began = performance.now();
      const closed = Promise.all([closedAfter(client), https.closed().then(() => performance.now() - began)]);
      await act(id);
      const [mqttMs, httpsMs] = await closed;
      t.diagnostic(`closed after ${mqttMs.toFixed(0)} ms (MQTT) and ${httpsMs.toFixed(0)} ms (HTTPS), the API call included`);
      await assert.rejects(connect(world, device(n)), { code: 135 });
      await using again = httpsDevice(world, device(n));
      const { status, body } = await again.ask("POST", "/v1/telemetry", '{"temperature":2}');
      assert.deepEqual([status, JSON.parse(body).code], [403, "device_not_admitted"]);
      // A retired device's certificate is revoked a moment later; either reason is true.
      const wanted = what === "retired" ? [because, "certificate_revoked"] : [because];
      assert.ok(
        wanted.some((reason) => logged("link.refused", reason)),
        `no link.refused ${because} in the log`,
      );
      assert.ok((await refusals(id)).some((found) => found !== undefined && wanted.includes(found)));
    });
  }

  async function revoke(id: string): Promise<unknown> {
    const { items } = await world.client.call(api.listCertificates, { query: { device: id } });
    assert.equal(items.length, 1);
    const serialNumber = items[0]?.serialNumber ?? "";
    return world.client.call(api.revokeCertificate, { params: { serialNumber }, body: { reason: "test" } });
  }

  // Last, because no certificate of this platform is good after it.
  test("an expired certificate is refused with a logged reason", async () => {
    world.pass(days(31));
    await assert.rejects(connect(world, device(0)), { code: 135 });
    assert.ok(logged("link.refused", "certificate_expired"));
    assert.deepEqual(await refusals(device(0).id), ["certificate_expired"]);
  });
});

/** A certificate that names one of our devices and was issued by somebody else. */
async function strangersCertificate(id: string): Promise<Credentials> {
  const { issuing } = await createAuthority(Date.now() - 60_000, "Somebody Else");
  const key = newDeviceKey();
  const certificate = await issueCertificate({
    issuer: issuerOf(issuing),
    subject: makeName([{ type: oids.commonName, value: id }]),
    publicKey: publicKeyOf(key),
    serial: randomSerial(),
    notBefore: Date.now() - 60_000,
    notAfter: Date.now() + days(30),
    usage: "device",
  });
  return { cert: toPem("CERTIFICATE", certificate.der), key: privateKeyPem(key) };
}
