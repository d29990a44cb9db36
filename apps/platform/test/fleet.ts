import { once } from "node:events";
import { Agent, request } from "node:https";
import { type ApiClient, api } from "@tenfold/contracts";
import { requestCertificate } from "@tenfold/device";
import { type Authority, makeDeviceIdentity, makeManufacturer, toPem } from "@tenfold/pki";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";

/** Where devices come in, and the PEM that they trust. */
export type Doors = { deviceUrl: string; mqttPort: number; ca: string };
export type Credentials = { cert: string; key: string };
export type Device = Credentials & { id: string };

const patienceMs = 10_000;

/** A manufacturer whose devices the platform lets in when they stand in its manifest. */
export async function trustedManufacturer(client: ApiClient, name: string): Promise<Authority> {
  const manufacturer = await makeManufacturer({ name, now: Date.now() - 60_000 });
  const certificatePem = toPem("CERTIFICATE", manufacturer.certificate.der);
  await client.call(api.createTrustAnchor, { body: { name, certificatePem, unknownDevices: "refuse" } });
  return manufacturer;
}

/** Devices of a manufacturer of their own, expected by the platform, each enrolled over EST with its IDevID. */
export async function enroll(world: Doors & { client: ApiClient }, ids: readonly string[]): Promise<Device[]> {
  const manufacturer = await trustedManufacturer(world.client, `Maker of ${ids[0]}`);
  await world.client.call(api.importManifest, { body: { entries: ids.map((serial) => ({ serial })) } });
  return Promise.all(
    ids.map(async (id) => {
      const { certificatePem, privateKeyPem } = await makeDeviceIdentity({
        manufacturer,
        serial: id,
        notBefore: Date.now() - 60_000,
      });
      const { cert, key } = await requestCertificate({
        server: { url: world.deviceUrl, ca: world.ca },
        device: id,
        proof: { is: "certificate", identity: { cert: certificatePem, key: privateKeyPem } },
        operation: "simpleenroll",
        patienceMs,
      });
      return { id, cert, key };
    }),
  );
}

/** Opens an MQTT connection that does not come back by itself. Rejects with the endpoint's refusal, whose `code` is the CONNACK's. */
export async function connect(doors: Doors, { cert, key }: Credentials, options: IClientOptions = {}): Promise<MqttClient> {
  return mqtt.connectAsync(
    `mqtts://localhost:${doors.mqttPort}`,
    { ca: doors.ca, cert, key, protocolVersion: 5, reconnectPeriod: 0, connectTimeout: patienceMs, clientId: "", ...options },
    false,
  );
}

/** One QoS 1 message on a topic of the device's own; resolves when it is acknowledged. */
export async function publish(client: MqttClient, topic: string, payload: object): Promise<void> {
  await client.publishAsync(topic, JSON.stringify(payload), { qos: 1 });
}

/** How long until the platform closed this connection; rejects when it is open after 5 s. */
export async function closedAfter(client: MqttClient): Promise<number> {
  const began = performance.now();
  // Without a listener MQTT.js throws the reason for which it was disconnected.
  client.on("error", () => {});
  // MQTT.js declares its events one by one; underneath it is a plain emitter.
  if (client.connected) await once(client as unknown as NodeJS.EventEmitter, "close", { signal: AbortSignal.timeout(5_000) });
  return performance.now() - began;
}

export type HttpsDevice = AsyncDisposable & {
  /** Resolves to the status and the body; rejects when the connection breaks. Every request takes the same connection. */
  ask(method: string, path: string, body?: string): Promise<{ status: number; body: string }>;
  /** Resolves when the platform has closed the connection; rejects when it is open after 5 s. */
  closed(): Promise<void>;
};

/** A device that only speaks HTTPS, on one connection that it keeps. */
export function httpsDevice(doors: Doors, { cert, key }: Credentials): HttpsDevice {
  const agent = new Agent({ ca: doors.ca, cert, key, keepAlive: true, maxSockets: 1, timeout: patienceMs });
  const gone = Promise.withResolvers<void>();
  gone.promise.catch(() => {});
  let known = false;
  return {
    ask: (method, path, body) =>
      new Promise((resolve, reject) => {
        const outgoing = request(new URL(path, doors.deviceUrl), { method, agent, timeout: patienceMs }, (incoming) => {
          const parts: Buffer[] = [];
          incoming.on("data", (part: Buffer) => parts.push(part));
          incoming.on("error", reject);
          incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(parts).toString() }));
        });
        outgoing.on("socket", (socket) => {
          if (!known) socket.once("close", () => gone.resolve());
          known = true;
        });
        outgoing.on("error", reject);
        outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer within ${patienceMs} ms`)));
        outgoing.end(body);
      }),
    async closed() {
      const timer = setTimeout(() => gone.reject(new Error("The connection is still open after 5 s.")), 5_000);
      await gone.promise.finally(() => clearTimeout(timer));
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
    },
  };
}

/** A heartbeat that promises the next one within `leaseS`. */
export const heartbeat = (leaseS: number, seq = 0): object => ({
  seq,
  bootId: "boot-1",
  uptimeS: 10,
  leaseS,
  monoS: 10,
  clock: "none",
  firmware: { version: "1.0.0" },
});

/** Asks again until the answer is the wanted one; rejects with the last answer after 10 s. */
export async function eventually<T>(what: string, ask: () => Promise<T>, isWanted: (answer: T) => boolean): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (isWanted(answer)) return answer;
    if (performance.now() > deadline) throw new Error(`${what}: still ${JSON.stringify(answer)} after ${patienceMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
