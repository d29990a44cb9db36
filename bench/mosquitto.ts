import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
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
import { endsWithUs } from "@tenfold/testkit";
import { freePorts } from "../tools/faults/platform.ts";
import { onPath } from "../tools/third-party/packages.ts";

export type Mosquitto = AsyncDisposable & { pid: number; port: number; ca: string };

/** mosquitto with mutual TLS and nothing stored, as the peer of a benchmark; undefined where it is not installed. It trusts `deviceCa`. */
export async function runMosquitto(deviceCa: string): Promise<Mosquitto | undefined> {
  if (!onPath("mosquitto")) return undefined;
  const dir = await mkdtemp(join(tmpdir(), "tenfold-mosquitto-"));
  // Another run on this machine may have a mosquitto of its own.
  const { mqtt: port } = await freePorts();
  const at = (name: string) => join(dir, name);
  const { ca, cert, key } = await serverIdentity();
  await writeFile(at("devices.pem"), deviceCa);
  await writeFile(at("server.pem"), cert);
  await writeFile(at("server.key"), key);
  await writeFile(
    at("mosquitto.conf"),
    `listener ${port} 127.0.0.1\ncafile ${at("devices.pem")}\ncertfile ${at("server.pem")}\nkeyfile ${at("server.key")}\nrequire_certificate true\nuse_identity_as_username true\npersistence false\nmax_inflight_messages 0\nmax_queued_messages 0\nmax_connections -1\nuser root\nlog_type error\n`,
  );
  const [program = "mosquitto", ...words] = [...endsWithUs("KILL"), "mosquitto", "-c", at("mosquitto.conf")];
  const child = spawn(program, words, { stdio: "ignore" });
  await untilOpen(port);
  return {
    pid: child.pid ?? 0,
    port,
    ca,
    async [Symbol.asyncDispose]() {
      await end(child);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function serverIdentity(): Promise<{ ca: string; cert: string; key: string }> {
  const now = Date.now() - 60_000;
  const { root, issuing } = await createAuthority(now, "Bench");
  const key = newDeviceKey();
  const certificate = await issueCertificate({
    issuer: issuerOf(issuing),
    subject: makeName([{ type: oids.commonName, value: "localhost" }]),
    publicKey: publicKeyOf(key),
    serial: randomSerial(),
    notBefore: now,
    notAfter: now + 86_400_000,
    usage: "server",
    alternativeNames: [{ kind: "dns", value: "localhost" }],
  });
  const pem = (der: Uint8Array) => toPem("CERTIFICATE", der);
  return { ca: pem(root.certificate.der), cert: pem(certificate.der) + pem(issuing.certificate.der), key: privateKeyPem(key) };
}

async function untilOpen(port: number): Promise<void> {
  for (const deadline = Date.now() + 5_000; Date.now() < deadline; await wait(50)) {
    const socket = connect(port, "127.0.0.1");
    const open = await Promise.race([once(socket, "connect").then(() => true), once(socket, "error").then(() => false)]).catch(
      () => false,
    );
    socket.destroy();
    if (open) return;
  }
  throw new Error("mosquitto did not open its port within 5 s.");
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}
