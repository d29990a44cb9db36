/** From the API call to the closed socket: 100 of 1,000 connected devices are revoked at once, and then try to come back. */
import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { connect, type TLSSocket } from "node:tls";
import { generate } from "mqtt-packet";
import { type ApiClient, api, createClient } from "../packages/contracts/src/index.ts";
import { fromPem, readCertificate } from "../packages/pki/src/index.ts";
import { runPlatform } from "../tools/running-platform.ts";
import { type EnrolledDevice, enrollFleet } from "./fleet.ts";
import { atLeast, atMost, type BenchResult } from "./result.ts";

const devices = 1_000;
const revoked = 100;
const atOnce = 32;
const answerMs = 10_000;

type Server = { port: number; ca: string };
type Connected = { device: EnrolledDevice; socket: TLSSocket; session: Buffer | undefined; closedAt: number | undefined };

export async function run(): Promise<BenchResult> {
  await using platform = await runPlatform({ TENFOLD_LOG_LEVEL: "error" });
  const client = createClient({ baseUrl: platform.url, token: platform.token });
  const fleet = await enrollFleet(platform, { prefix: "revoke", devices });
  const server = { port: platform.mqttPort, ca: await readFile(platform.ca, "utf8") };
  const links: Connected[] = [];
  for (let i = 0; i < fleet.length; i += atOnce)
    links.push(...(await Promise.all(fleet.slice(i, i + atOnce).map((device) => open(server, device)))));
  await wait(1_000);
  const leaving = links.slice(0, revoked);
  const took = await Promise.all(leaving.map((link) => revoke(client, link)));
  const tries = await Promise.all(leaving.map(({ device, session }) => comeBack(server, { device, session })));
  const staying = links.slice(revoked).filter(({ closedAt }) => closedAt === undefined).length;
  for (const { socket } of links) socket.destroy();
  const sorted = took.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  const figures = {
    devices,
    revokedAtOnce: revoked,
    closedMsP50: at(0.5),
    closedMsP99: at(0.99),
    closedMsMost: at(1),
    refusedFresh: tries.filter(({ fresh }) => fresh === "refused").length,
    resumedSessions: tries.filter(({ reused }) => reused).length,
    refusedResumed: tries.filter(({ resumed }) => resumed === "refused").length,
    othersStillConnected: staying,
  };
  return {
    bench: "revocation",
    figures,
    aims: {
      closedMsP99: atMost(figures.closedMsP99, 1_000),
      refusedFresh: atLeast(figures.refusedFresh, revoked),
      refusedResumed: atLeast(figures.refusedResumed, revoked),
      othersStillConnected: atLeast(staying, devices - revoked),
    },
  };
}

/** A socket on which the device's CONNECT was answered, whatever the answer; `reason` is undefined where it was just closed. */
async function knock({ port, ca }: Server, { device, session }: { device: EnrolledDevice; session?: Buffer | undefined }) {
  const socket = connect({
    host: "127.0.0.1",
    port,
    servername: "localhost",
    ca,
    cert: device.cert,
    key: device.key,
    ...(session ? { session } : {}),
  });
  const link: Connected = { device, socket, session: undefined, closedAt: undefined };
  socket.on("session", (ticket: Buffer) => {
    link.session = ticket;
  });
  socket.on("error", () => {});
  socket.setTimeout(answerMs, () => link.closedAt === undefined && socket.emit("late"));
  socket.write(
    generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId: device.id, clean: true, keepalive: 600 }),
  );
  const reason = await new Promise<number | undefined>((resolve, reject) => {
    socket.once("data", (bytes) => resolve(bytes[3]));
    socket.once("late", () => reject(new Error(`${device.id} was not answered within ${answerMs / 1_000} s.`)));
    socket.once("close", () => {
      link.closedAt = performance.now();
      resolve(undefined);
    });
  });
  socket.setTimeout(0);
  return { link, reason };
}

async function open(server: Server, device: EnrolledDevice): Promise<Connected> {
  const { link, reason } = await knock(server, { device });
  if (reason !== 0) throw new Error(`${device.id} was not let in: ${reason}.`);
  return link;
}

/** Milliseconds from the call to the closed socket. */
async function revoke(client: ApiClient, { device, socket }: Connected): Promise<number> {
  const [der] = fromPem("CERTIFICATE", device.cert);
  if (der === undefined) throw new Error(`${device.id} has no certificate.`);
  const { serialNumber } = readCertificate(der);
  const closed = new Promise<number>((resolve) => socket.once("close", () => resolve(performance.now())));
  const began = performance.now();
  await client.call(api.revokeCertificate, { params: { serialNumber }, body: { reason: "the benchmark revokes it" } });
  return (await closed) - began;
}

/** Once with a handshake of its own, once with the session from before. */
async function comeBack(server: Server, { device, session }: Pick<Connected, "device" | "session">) {
  const fresh = await knock(server, { device });
  const again = await knock(server, { device, session });
  const reused = again.link.socket.isSessionReused();
  const verdict = (reason: number | undefined) => (reason === 0 ? "admitted" : "refused");
  for (const { socket } of [fresh.link, again.link]) socket.destroy();
  return { fresh: verdict(fresh.reason), resumed: verdict(again.reason), reused };
}
