/** mosquitto_pub and curl with a certificate that openssl and curl fetched: telemetry in both MQTT versions and over HTTPS, and every refusal. */
import assert from "node:assert/strict";
import type { RunningPlatform } from "../running-platform.ts";
import { attempt, enrollByCode, expiredDevice, type ShellDevice, sh, strangersDevice } from "./shell-device.ts";
import { type Counts, eventually, same, steps } from "./steps.ts";

export async function run(platform: RunningPlatform): Promise<Counts> {
  const suite = steps("mosquitto and curl");
  const { step } = suite;
  const device = await enrollByCode(platform, "board-1");
  const at = Math.floor(Date.now() / 1_000) * 1_000;
  const sent = [21.5, 21.75, 22.25].map((temperature, i) => ({ temperature, ts: at + i * 1_000 }));

  for (const [i, version] of (["mqttv5", "mqttv311"] as const).entries()) {
    await step(`${version} publishes telemetry at QoS 1`, async () => {
      const { code, said } = await publish(platform, device, { version, payload: JSON.stringify(sent[i]) });
      assert.equal(code, 0, said);
    });
  }
  await step("curl posts the same over HTTPS and gets 200", async () => {
    same(await post(platform, device, JSON.stringify(sent[2])), "200");
  });
  await step("tenfold api GET returns exactly those points", () =>
    eventually(async () => {
      const { points } = JSON.parse(
        await platform.tenfold("api", "GET", `/api/v1/devices/${device.id}/telemetry?metric=temperature`),
      ) as { points: { at: string; v: number }[] };
      same(
        points.map(({ at: when, v }) => [Date.parse(when), v]),
        sent.map(({ ts, temperature }) => [ts, temperature]),
      );
    }),
  );
  await step("rubbish is refused with a reason that stands on the device's page", async () => {
    same(await post(platform, device, "{not json"), "422");
    await eventually(async () => {
      const shown = JSON.parse(await platform.tenfold("device", "show", device.id, "--json")) as {
        refusedInputs: { count: number; lastReason?: string };
      };
      assert.ok(shown.refusedInputs.count >= 1 && shown.refusedInputs.lastReason, JSON.stringify(shown.refusedInputs));
    });
  });

  const stranger = await strangersDevice(platform, "board-1");
  await refused(platform, suite, { what: "a certificate of another CA", device: stranger, because: "unknown_issuer" });
  const expired = await expiredDevice(platform, "board-1");
  await refused(platform, suite, { what: "an expired certificate", device: expired, because: "certificate_expired" });
  await step("a topic of another device is refused, and the log says so", async () => {
    const { said } = await publish(platform, device, {
      version: "mqttv5",
      payload: '{"temperature":1}',
      topic: "devices/board-2/telemetry",
    });
    assert.match(`${said}${await platform.log()}`, /not authori[sz]ed|topic_not_own|topic_not_allowed/i);
  });
  await step("a revoked certificate is refused from the moment of its revocation", async () => {
    const { items } = JSON.parse(await platform.tenfold("api", "GET", `/api/v1/certificates?device=${device.id}`)) as {
      items: { serialNumber: string }[];
    };
    await platform.tenfold("api", "POST", `/api/v1/certificates/${items[0]?.serialNumber}/revoke`, "--body", '{"reason":"test"}');
    same(await post(platform, device, '{"temperature":1}'), "403");
  });
  await refused(platform, suite, { what: "a revoked certificate", device, because: "certificate_revoked" });
  return { passed: suite.passed, failed: suite.failed };
}

type Refused = { what: string; device: ShellDevice; because: string };

async function refused(
  platform: RunningPlatform,
  { step }: ReturnType<typeof steps>,
  { what, device, because }: Refused,
): Promise<void> {
  for (const version of ["mqttv5", "mqttv311"]) {
    await step(`${what} is refused over ${version}, with the reason ${because} in the log`, async () => {
      const { code, said } = await publish(platform, device, { version, payload: '{"temperature":1}' });
      assert.notEqual(code, 0, `mosquitto_pub was let in: ${said}`);
      await eventually(async () => assert.ok((await platform.log()).includes(because), `the log does not name ${because}`));
    });
  }
}

type Publish = { version: string; payload: string; topic?: string };

function publish(
  { mqttPort, ca }: RunningPlatform,
  { id, key, cert }: ShellDevice,
  { version, payload, topic = `devices/${id}/telemetry` }: Publish,
) {
  return attempt(
    "mosquitto_pub",
    "-V",
    version,
    "-h",
    "localhost",
    "-p",
    String(mqttPort),
    "--cafile",
    ca,
    "--cert",
    cert,
    "--key",
    key,
    "-i",
    id,
    "-q",
    "1",
    "-t",
    topic,
    "-m",
    payload,
    "-d",
  );
}

async function post({ deviceUrl, ca }: RunningPlatform, { key, cert }: ShellDevice, body: string): Promise<string> {
  return sh(
    "curl",
    "-sS",
    "--cacert",
    ca,
    "--cert",
    cert,
    "--key",
    key,
    "-H",
    "Content-Type: application/json",
    "--data-binary",
    body,
    "-o",
    "/dev/null",
    "-w",
    "%{http_code}",
    `${deviceUrl}/v1/telemetry`,
  );
}
