import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createConnection, type Socket } from "node:net";
import { test } from "node:test";
import { connect, createServer } from "node:tls";
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
import { firstFlight } from "@tenfold/testkit";
import { silentLog } from "../log.ts";
import { createDeviceHttp } from "./device-http.ts";
import { HandshakePlaces } from "./handshake-places.ts";
import { HandshakeQueue } from "./handshake-queue.ts";
import { createHandshakes, type HandshakeLimits } from "./handshakes.ts";

const pace = { perSecond: 10, burst: 2, maxWaiting: 4 };

test("handshakes begin at a pace, a few at once after a pause", () => {
  const queue = new HandshakeQueue<number>({ ...pace, maxWaiting: 100 }, 0);
  for (let i = 0; i < 10; i++) queue.arrive("a", i);
  assert.deepEqual(queue.due(0), [0, 1]);
  assert.deepEqual(queue.due(99), []);
  assert.deepEqual(queue.due(300), [2, 3]);
  assert.deepEqual(queue.due(60_000), [4, 5]);
  assert.equal(queue.waiting, 4);
});

test("addresses take turns, so that one that opens many connections waits for itself", () => {
  const queue = new HandshakeQueue<string>({ ...pace, burst: 1, maxWaiting: 100 }, 0);
  for (let i = 0; i < 50; i++) queue.arrive("flood", `flood ${i}`);
  queue.due(0);
  queue.arrive("pump", "pump");
  assert.deepEqual([...queue.due(100), ...queue.due(200)].includes("pump"), true);
});

test("when too many wait, the newest of the longest line is sent away, and nobody else", () => {
  const queue = new HandshakeQueue<string>({ ...pace, burst: 0 }, 0);
  queue.arrive("pump", "pump");
  const sentAway = Array.from({ length: 6 }, (_, i) => queue.arrive("flood", `flood ${i}`));
  assert.deepEqual(sentAway, [undefined, undefined, undefined, "flood 3", "flood 4", "flood 5"]);
  assert.equal(queue.arrive("valve", "valve"), "flood 2");
  assert.equal(queue.waiting, 4);
});

test("at the most of unfinished handshakes an address with fewer takes the place of the oldest of the address with the most, and the latter waits", () => {
  const places = new HandshakePlaces<string>(3);
  for (const member of ["flood 1", "flood 2", "flood 3"]) assert.equal(places.take("flood", member), undefined);
  assert.equal(places.mayTake("flood"), false);
  assert.equal(places.mayTake("pump"), true);
  assert.equal(places.take("pump", "pump 1"), "flood 1");
  assert.equal(places.mayTake("pump"), false, "one against two: they would only change places");
  assert.equal(places.mayTake("valve"), true);
  places.leave("flood", "flood 1");
  assert.equal(places.taken, 3, "who was sent away holds nothing");
  places.leave("pump", "pump 1");
  assert.deepEqual([places.taken, places.mayTake("flood")], [2, true]);
});

test("whose address may not begin is passed over, and loses nothing by it", () => {
  const queue = new HandshakeQueue<string>({ ...pace, maxWaiting: 100 }, 0);
  for (const who of ["flood 1", "flood 2"]) queue.arrive("flood", who);
  queue.arrive("pump", "pump");
  assert.deepEqual(
    queue.due(0, (address) => address !== "flood"),
    ["pump"],
  );
  assert.deepEqual(queue.due(0), ["flood 1"]);
});

async function identity() {
  const now = Date.now();
  const { issuing } = await createAuthority(now - 60_000);
  const key = newDeviceKey();
  const certificate = await issueCertificate({
    issuer: issuerOf(issuing),
    subject: makeName([{ type: oids.commonName, value: "localhost" }]),
    publicKey: publicKeyOf(key),
    serial: randomSerial(),
    notBefore: now - 60_000,
    notAfter: now + 3_600_000,
    usage: "server",
    alternativeNames: [{ kind: "dns", value: "localhost" }],
  });
  return { key: privateKeyPem(key), cert: toPem("CERTIFICATE", certificate.der), ca: [] };
}

async function listening(limits: Partial<HandshakeLimits>) {
  const tls = await identity();
  const handshakes = createHandshakes({ limits });
  const server = createServer({ ...tls, requestCert: true, rejectUnauthorized: false, pauseOnConnect: true });
  handshakes.guard(server);
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.on("secureConnection", (socket) => socket.on("error", () => {}).on("data", (bytes: Buffer) => socket.write(bytes)));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  // A listening TCP server has such an address.
  const { port } = server.address() as AddressInfo;
  const sockets: Socket[] = [];
  return {
    tls,
    port,
    handshakes,
    raw() {
      const socket = createConnection({ port, host: "127.0.0.1" }).resume();
      sockets.push(socket.on("error", () => {}));
      return socket;
    },
    secure(more: object = {}) {
      const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...more });
      sockets.push(socket.on("error", () => {}));
      return socket;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** However it ends: with a reset, where what it sent was not read. */
const closed = (socket: Socket) => new Promise((resolve) => socket.once("close", resolve));

test("who comes through the door talks as if there were none", async () => {
  await using at = await listening({});
  const socket = at.secure();
  await once(socket, "secureConnect");
  socket.write("hello");
  assert.equal(String((await once(socket, "data"))[0]), "hello");
});

test("while somebody's handshakes that never end take all places, a device from another address comes in at once", async () => {
  await using at = await listening({ maxBegun: 4, burst: 20, handshakeMs: 60_000 });
  const stuck = Array.from({ length: 6 }, () => at.raw());
  for (const socket of stuck) socket.write(await firstFlight());
  while (at.handshakes.waiting() !== 2) await new Promise(setImmediate);
  const device = at.secure({ localAddress: "127.0.0.2" });
  await Promise.all([once(device, "secureConnect"), closed(stuck[0] ?? assert.fail())]);
});

test("a peer that reads nothing is gone when its time is over, and hears so at once", async () => {
  await using at = await listening({ handshakeMs: 80 });
  const peer = at.raw().pause();
  peer.write(await firstFlight());
  await Promise.race([closed(peer), once(peer, "error", { signal: AbortSignal.timeout(10_000) })]);
});

test("a silent socket, and one that stops in the middle of its handshake, are closed when their time is over", async () => {
  await using at = await listening({ handshakeMs: 60 });
  const [silent, half] = [at.raw(), at.raw()];
  // A record that says it holds 512 bytes of a ClientHello, and then nothing more comes.
  half.write(Buffer.from("16030102000100", "hex"));
  await Promise.all([closed(silent), closed(half)]);
});

test("a slow loris that sends a byte now and then gains no time by it", async () => {
  await using at = await listening({ handshakeMs: 80 });
  const loris = at.raw();
  const hello = Buffer.from("160301020001000", "latin1");
  let sent = 0;
  const drip = setInterval(() => loris.write(hello.subarray(sent, ++sent)), 10);
  await closed(loris);
  clearInterval(drip);
});

test("a peer that sends more than allowed before its handshake is done is closed before its time", async () => {
  await using at = await listening({ maxBytes: 100 });
  const peer = at.raw();
  // A record that says it holds 512 bytes of a ClientHello, and 200 of them.
  peer.write(Buffer.concat([Buffer.from("16030102000100", "hex"), Buffer.alloc(200)]));
  await closed(peer);
});

test("beyond its pace a connection waits unread, and beyond what may wait it is closed", async () => {
  await using at = await listening({ perSecond: 0, burst: 1, maxWaiting: 1 });
  await once(at.secure(), "secureConnect");
  at.secure();
  while (at.handshakes.waiting() === 0) await new Promise(setImmediate);
  await closed(at.secure());
  assert.equal(at.handshakes.waiting(), 1);
});

test("handshakes whose turn has come at once begin one after the other, and all of them end", async () => {
  await using at = await listening({ burst: 20 });
  await Promise.all(Array.from({ length: 20 }, () => once(at.secure(), "secureConnect")));
  assert.equal(at.handshakes.waiting(), 0);
});

test("a hello that announces more than it may have is closed before the rest comes", async () => {
  await using at = await listening({ handshakeMs: 60_000 });
  const endless = at.raw();
  endless.write(Buffer.from("160301400001ffffff0303", "hex"));
  await closed(endless);
});

test("who says nothing, or only half of a hello, takes nobody's turn", async () => {
  await using at = await listening({ perSecond: 0, burst: 1 });
  const half = Array.from({ length: 20 }, () => at.raw());
  for (const socket of half.slice(10)) socket.write(Buffer.from("16030102000100", "hex"));
  await Promise.all(half.map((socket) => once(socket, "connect")));
  await once(at.secure(), "secureConnect");
});

test("of those who say nothing no more are kept than may wait", async () => {
  await using at = await listening({ maxWaiting: 2 });
  const silent = [at.raw(), at.raw()];
  await Promise.all(silent.map((socket) => once(socket, "connect")));
  await closed(at.raw());
  assert.deepEqual(
    silent.map(({ destroyed }) => destroyed),
    [false, false],
  );
});

test("who speaks another language than TLS is closed at once", async () => {
  await using at = await listening({});
  const plain = at.raw();
  plain.write("GET / HTTP/1.1\r\n\r\n");
  await closed(plain);
});

test("a device that says nothing after its handshake is closed over HTTPS too", async () => {
  const app = createDeviceHttp({ tls: await identity(), log: silentLog, headMs: 100 });
  app.get("/", async () => "here");
  await app.listen({ port: 0, host: "127.0.0.1" });
  // A listening TCP server has such an address.
  const { port } = app.server.address() as AddressInfo;
  const options = { port, host: "127.0.0.1", rejectUnauthorized: false };
  const [silent, slow, asks] = [connect(options), connect(options), connect(options)];
  await Promise.all([silent, slow, asks].map((socket) => once(socket, "secureConnect")));
  slow.write("GET / HTTP/1.1\r\nX-Slow: ");
  asks.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.match(String((await once(asks, "data"))[0]), /^HTTP\/1.1 200/);
  const closed = [silent, slow].map((socket) => once(socket.on("error", () => {}).resume(), "close"));
  await Promise.all(closed);
  asks.destroy();
  await app.close();
});
