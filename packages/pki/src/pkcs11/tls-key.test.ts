import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import tls from "node:tls";
import { makeSoftToken, makeSoftwareTpm, withoutKeyEngine, withoutSoftHsm, withoutSoftwareTpm } from "@tenfold/testkit";
import { type Authority, createAuthority, issuerOf } from "../authority.ts";
import { newDeviceKey, privateKeyPem } from "../idevid.ts";
import { issueCertificate, randomSerial } from "../issue.ts";
import { keyUriIn, openKeyStore } from "../key-uri.ts";
import { type PublicKey, publicKeyOf } from "../keys.ts";
import { makeName } from "../name.ts";
import { oids } from "../oids.ts";
import { toPem } from "../pem.ts";
import { type TlsKey, tlsKeyOf } from "./tls-key.ts";

const now = Date.now();

async function certify(
  issuing: Authority,
  wish: { publicKey: PublicKey; name: string; usage: "device" | "server" },
): Promise<string> {
  const certificate = await issueCertificate({
    issuer: issuerOf(issuing),
    subject: makeName([{ type: oids.commonName, value: wish.name }]),
    publicKey: wish.publicKey,
    serial: randomSerial(),
    notBefore: now - 60_000,
    notAfter: now + 3_600_000,
    usage: wish.usage,
    alternativeNames: [{ kind: "dns", value: "localhost" }],
  });
  return toPem("CERTIFICATE", certificate.der);
}

/** A TLS server that tells its clients who they are. */
async function tellingServer() {
  const { root, issuing } = await createAuthority(now - 60_000);
  const key = newDeviceKey();
  const [ca, below] = [root, issuing].map(({ certificate }) => toPem("CERTIFICATE", certificate.der));
  const cert = (await certify(issuing, { publicKey: publicKeyOf(key), name: "localhost", usage: "server" })) + below;
  const server = tls.createServer({ key: privateKeyPem(key), cert, ca: `${ca}${below}`, requestCert: true }, (socket) => {
    socket.end(`${socket.getPeerCertificate().subject?.CN} by ${socket.getProtocol()}`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // It listens on TCP, so this is no path.
  const { port } = server.address() as AddressInfo;
  return {
    issuing,
    async meet(identity: { cert: string } & TlsKey, maxVersion: tls.SecureVersion = "TLSv1.3"): Promise<string> {
      const socket = tls.connect({ port, servername: "localhost", ca: ca ?? "", maxVersion, ...identity });
      let told = "";
      for await (const text of socket) told += String(text);
      return told;
    },
    [Symbol.dispose]: () => void server.close(),
  };
}

const skip = withoutKeyEngine() || withoutSoftHsm() || withoutSoftwareTpm();

test("TLS 1.2 and 1.3 show certificates whose keys stay in a token and in a TPM, one after the other", { skip }, async () => {
  await using token = await makeSoftToken("tls");
  await using tpm = await makeSoftwareTpm();
  using server = await tellingServer();
  const folder = await mkdtemp(join(tmpdir(), "tenfold-test-tls-"));
  try {
    // A key that is made after the first connection is found, too.
    for (const [place, name] of [
      [token.uri, "first"],
      [tpm.uri, "second"],
      [token.uri, "third"],
      [`file:${folder}`, "fourth"],
    ] as const) {
      await using store = openKeyStore(place, { folder });
      const { publicKey } = await store.create(name);
      const key = await tlsKeyOf(keyUriIn(place, { folder, name }));
      const identity = { cert: await certify(server.issuing, { publicKey, name, usage: "device" }), ...key };
      assert.equal(await server.meet(identity), `${name} by TLSv1.3`);
      assert.equal(await server.meet(identity, "TLSv1.2"), `${name} by TLSv1.2`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("a key that is not there is said at once, by name", { skip }, async () => {
  await using token = await makeSoftToken("empty");
  await assert.rejects(tlsKeyOf(token.uri.replace("?", ";object=nobody?")), { code: "key_missing", message: /"nobody"/ });
});
