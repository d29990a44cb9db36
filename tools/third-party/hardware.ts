/**
 * Keys in SoftHSM2 and in swtpm: made by the tools of others (pkcs11-tool, tpm2-tools), used by the agent to enroll, attest, connect by MQTT and renew
 * against a running platform. Prints the time from the agent's start to its first connection.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  type Authority,
  issueCertificate,
  issuerOf,
  makeManufacturer,
  makeName,
  noEnd,
  oids,
  randomSerial,
  readPublicKeyPem,
  toPem,
} from "@tenfold/pki";
import { makeSoftToken, makeSoftwareTpm, type SoftwareTpm } from "../../packages/testkit/src/hardware.ts";
import type { RunningPlatform } from "../running-platform.ts";
import { sh } from "./shell-device.ts";
import { type Counts, eventually, same, steps } from "./steps.ts";

/** With the five minutes by which certificates begin in the past, devices renew 8 to 33 s after they enrolled. */
export const env = { TENFOLD_CERTIFICATE_LIFETIME: "200s", TENFOLD_ROLLOUT_TICK: "1s" };

type Device = { id: string; idevidCert: string; idevidKey: string; keys: string; state: string };
type Trust = { level: number; because: string; newest?: { verdict: string; software: string } };

export async function run(platform: RunningPlatform): Promise<Counts> {
  const suite = steps("hardware keys");
  const factory = await makeManufacturer({ name: "Hardware", now: Date.now() - 60_000 });
  const caFile = join(platform.dir, "factory.pem");
  await writeFile(caFile, toPem("CERTIFICATE", factory.certificate.der));
  const { id: anchor } = JSON.parse(await platform.tenfold("enroll", "anchor", caFile, "--name", "Hardware", "--json")) as {
    id: string;
  };
  const manifest = join(platform.dir, "manifest.json");
  await writeFile(manifest, JSON.stringify([{ serial: "token-1" }, { serial: "tpm-1", model: "box" }]));
  await platform.tenfold("enroll", "manifest", manifest);
  await inToken(platform, factory, suite);
  await releasesSignedInToken(platform, suite);
  await inTpm(platform, { factory, anchor }, suite);
  return { passed: suite.passed, failed: suite.failed };
}

type Suite = ReturnType<typeof steps>;

async function inToken(platform: RunningPlatform, factory: Authority, { step }: Suite): Promise<void> {
  await using token = await makeSoftToken("third-party");
  const opened = ["--module", token.modulePath, "--token-label", token.label, "--login", "--pin", "1234"];
  await sh("pkcs11-tool", ...opened, "--keypairgen", "--key-type", "EC:prime256v1", "--label", "idevid", "--id", "01");
  const der = join(platform.dir, "token.der");
  await sh("pkcs11-tool", ...opened, "--read-object", "--type", "pubkey", "--label", "idevid", "--output-file", der);
  const publicKey = await sh("openssl", "pkey", "-pubin", "-inform", "DER", "-in", der);
  const device = await deviceOf(platform, factory, {
    id: "token-1",
    publicKey,
    idevidKey: token.uri.replace("?", ";object=idevid?"),
    keys: token.uri,
  });
  await using agent = await startAgent(platform, device);
  await step("with IDevID and LDevID keys in SoftHSM2 the agent enrolls and connects by MQTT", async () => {
    await agent.connected();
    console.log(`    power-on to connected: ${agent.connectedAfter()}`);
    await online(platform, device.id);
    same((await trustOf(platform, device.id)).level, 1);
  });
  await step("it renews with a new key that was made in the token, and the old one is destroyed there", () =>
    eventually(async () => {
      assert.ok((await certificatesOf(platform, device.id)) > 1, "no second certificate yet");
      const listed = await sh("pkcs11-tool", ...opened, "--list-objects", "--type", "privkey");
      const keys = listed.match(/label: +ldevid-[0-9a-f]+/g) ?? [];
      assert.ok(keys.length >= 1 && keys.length <= 2, listed);
      assert.ok(/Access:.*sensitive/.test(listed), "private keys are not marked sensitive");
    }, 60_000),
  );
  await step("it is online after that, by the new certificate, which it got over its link", async () => {
    await online(platform, device.id);
    assert.match(await platform.tenfold("enroll", "log", "--json"), /"link_renewal"/);
  });
}

/** The offline roles of update metadata, with keys that `pkcs11-tool` made in a token. */
async function releasesSignedInToken(platform: RunningPlatform, { step }: Suite): Promise<void> {
  await using token = await makeSoftToken("releases");
  const opened = ["--module", token.modulePath, "--token-label", token.label, "--login", "--pin", "1234"];
  const made = async (label: string, id: string) => {
    await sh("pkcs11-tool", ...opened, "--keypairgen", "--key-type", "EC:prime256v1", "--label", label, "--id", id);
    return token.uri.replace("?", `;object=${label}?`);
  };
  const folder = join(platform.dir, "token-releases");
  await step(
    "`tuf init` signs roots and releases with keys in SoftHSM2, no private key is written, and the server takes them",
    async () => {
      const [root, targets] = [await made("root", "11"), await made("targets", "12")];
      await platform.tenfold("tuf", "init", folder, "--root-key", root, "--targets-key", targets);
      same(await readdir(join(folder, "keys")), []);
      assert.match(await platform.tenfold("tuf", "verify", folder), /signed as they must be/);
      await platform.tenfold("tuf", "publish", folder);
    },
  );
  await step("`tuf rotate` brings a second root key of the token in, signed by the old and the new one", async () => {
    await platform.tenfold("tuf", "rotate", folder, "--role", "root", "--add", await made("root-2", "13"));
    assert.match(await platform.tenfold("tuf", "verify", folder), /signed as they must be/);
  });
}

async function inTpm(
  platform: RunningPlatform,
  { factory, anchor }: { factory: Authority; anchor: string },
  { step }: Suite,
): Promise<void> {
  await using tpm = await makeSoftwareTpm();
  const device = await deviceOf(platform, factory, {
    id: "tpm-1",
    publicKey: await idevidByTpm2Tools(platform, tpm),
    idevidKey: `tpm:handle=0x81000010?swtpm=${tpm.host}:${tpm.port}`,
    keys: tpm.uri,
  });
  const maker = join(platform.dir, "tpm-maker.pem");
  await writeFile(maker, tpm.makerIssuing);
  await platform.tenfold("attest", "require", anchor, "--demand", "tpm", "--yes");
  await step(
    "where its manufacturer's devices must attest, a TPM of a maker that is not believed keeps it out, and the log says why",
    async () => {
      await using agent = await startAgent(platform, device);
      await eventually(async () => {
        const log = await platform.tenfold("enroll", "log", "--json");
        assert.ok(log.includes("attestation_required"), "no refusal in the attempt log yet");
        assert.match(await platform.tenfold("attest", "log", device.id), /No trusted authority/);
      }, 30_000);
      assert.ok(!agent.isConnected());
    },
  );
  await platform.tenfold("attest", "maker", maker, "--name", "swtpm");
  await using agent = await startAgent(platform, device);
  await step("with all keys in a swtpm it attests, enrolls and connects by MQTT, at trust level 3", async () => {
    await agent.connected();
    console.log(`    power-on to connected, with full attestation: ${agent.connectedAfter()}`);
    await online(platform, device.id);
    same((await trustOf(platform, device.id)).level, 3);
  });
  await step("with a reference taken from it, asked to attest again, it is at trust level 4", async () => {
    await platform.tenfold("attest", "reference", "boot", "--device", device.id, "--model", "box");
    await platform.tenfold("device", "run", device.id, "attest", "--wait");
    same((await trustOf(platform, device.id)).level, 4);
  });
  await step("something else measured at boot brings it back to 3, and `device show` says what to do", async () => {
    await tpm2(tpm, "tpm2_pcrextend", `7:sha256=${"ab".repeat(32)}`);
    await platform.tenfold("device", "run", device.id, "attest", "--wait");
    const trust = await trustOf(platform, device.id);
    same([trust.level, trust.newest?.software], [3, "differs"]);
    assert.match(await platform.tenfold("device", "show", device.id), /matches no reference/);
  });
  await step("it renews with a new key that its TPM vouches for", () =>
    eventually(async () => {
      assert.ok((await certificatesOf(platform, device.id)) > 1, "no second certificate yet");
      assert.ok((await trustOf(platform, device.id)).level >= 3);
    }, 60_000),
  );
  await step("openssl with the tpm2 provider signs with the agent's key file, and the signature is that key's", async () => {
    const name = (await readdir(device.state)).find((file) => file.endsWith(".tpm.pem")) ?? "";
    // A renewal may destroy the file meanwhile.
    const copy = join(platform.dir, "copy.tpm.pem");
    await copyFile(join(device.state, name), copy);
    await opensslSigns(platform, tpm, copy);
  });
}

/** The factory's key, made by the tools of others and left in the TPM under a handle. */
async function idevidByTpm2Tools({ dir }: RunningPlatform, tpm: SoftwareTpm): Promise<string> {
  const at = (name: string) => join(dir, `tpm2-${name}`);
  await tpm2(tpm, "tpm2_createprimary", "-C", "o", "-g", "sha256", "-G", "ecc", "-c", at("primary"));
  await tpm2(tpm, "tpm2_create", "-C", at("primary"), "-G", "ecc", "-u", at("public"), "-r", at("private"));
  await tpm2(tpm, "tpm2_flushcontext", "-t");
  await tpm2(tpm, "tpm2_load", "-C", at("primary"), "-u", at("public"), "-r", at("private"), "-c", at("key"));
  await tpm2(tpm, "tpm2_flushcontext", "-t");
  await tpm2(tpm, "tpm2_evictcontrol", "-C", "o", "-c", at("key"), "0x81000010");
  await tpm2(tpm, "tpm2_flushcontext", "-t");
  await tpm2(tpm, "tpm2_readpublic", "-c", "0x81000010", "-f", "pem", "-o", at("pem"));
  return readFile(at("pem"), "utf8");
}

const tctiOf = ({ host, port }: SoftwareTpm): string => `swtpm:host=${host},port=${port}`;
const tpm2 = (tpm: SoftwareTpm, command: string, ...args: string[]): Promise<string> => sh(command, "-T", tctiOf(tpm), ...args);

async function opensslSigns({ dir }: RunningPlatform, tpm: SoftwareTpm, key: string): Promise<void> {
  const [message, signature, publicKey] = ["message", "signature", "public.pem"].map((name) => join(dir, `openssl-${name}`));
  await writeFile(message ?? "", "signed by a TPM\n");
  const provided = ["-provider", "tpm2", "-provider", "default"];
  const preferred = ["-propquery", "?provider=tpm2"];
  const env = `TPM2OPENSSL_TCTI=${tctiOf(tpm)}`;
  await sh(
    "env",
    env,
    "openssl",
    "dgst",
    "-sha256",
    ...provided,
    ...preferred,
    "-sign",
    key,
    "-out",
    signature ?? "",
    message ?? "",
  );
  await sh("env", env, "openssl", "pkey", ...provided, "-in", key, "-pubout", "-out", publicKey ?? "");
  await sh("openssl", "dgst", "-sha256", "-verify", publicKey ?? "", "-signature", signature ?? "", message ?? "");
}

type Wish = Pick<Device, "id" | "idevidKey" | "keys"> & { publicKey: string };

async function deviceOf({ dir }: RunningPlatform, factory: Authority, { id, publicKey, idevidKey, keys }: Wish): Promise<Device> {
  const certificate = await issueCertificate({
    issuer: issuerOf(factory),
    subject: makeName([{ type: oids.serialNumber, value: id }]),
    publicKey: readPublicKeyPem(publicKey),
    serial: randomSerial(),
    notBefore: Date.now() - 60_000,
    notAfter: noEnd,
    usage: "manufacturer_device",
  });
  const [state, idevidCert] = [join(dir, `state-${id}`), join(dir, `${id}.pem`)];
  await mkdir(state);
  await writeFile(idevidCert, toPem("CERTIFICATE", certificate.der));
  return { id, idevidCert, idevidKey, keys, state };
}

/** The agent as a process of its own, from power-on. */
async function startAgent({ deviceUrl, mqttPort, ca, dir }: RunningPlatform, device: Device) {
  const began = performance.now();
  const flags = {
    server: deviceUrl,
    "mqtt-server": `mqtts://localhost:${mqttPort}`,
    ca,
    device: device.id,
    model: "box",
    state: device.state,
    "idevid-cert": device.idevidCert,
    "idevid-key": device.idevidKey,
    keys: device.keys,
    heartbeat: "5s",
  };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(process.execPath, ["apps/agent/src/main.ts", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const said: string[] = [];
  let connectedAfter: number | undefined;
  let cpuMs = 0;
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => {
      said.push(line);
      if (!line.includes('"link.up"') || connectedAfter !== undefined) return;
      connectedAfter = Math.round(performance.now() - began);
      cpuMs = cpuOf(child.pid ?? 0);
    });
  return {
    isConnected: () => connectedAfter !== undefined,
    connectedAfter: () => `${connectedAfter ?? 0} ms, of these ${cpuMs} ms of CPU in the agent`,
    connected: () =>
      eventually(async () => {
        assert.equal(child.exitCode, null, said.join("\n"));
        assert.ok(connectedAfter !== undefined, `not connected:\n${said.slice(-8).join("\n")}`);
      }, 60_000),
    async [Symbol.asyncDispose]() {
      await writeFile(join(dir, `${device.id}.log`), said.join("\n"));
      if (child.exitCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

/** [proc(5)] User and system time of a process, in ms: what would be left of the time on an idle machine. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const online = (platform: RunningPlatform, id: string): Promise<void> =>
  eventually(async () => {
    const shown = JSON.parse(await platform.tenfold("device", "show", id, "--json")) as {
      lifecycle: string;
      connectivity: { is: string };
    };
    same([shown.lifecycle, shown.connectivity.is], ["active", "online"]);
  }, 60_000);

const trustOf = async (platform: RunningPlatform, id: string): Promise<Trust> =>
  JSON.parse(await platform.tenfold("api", "GET", `/api/v1/devices/${id}/trust`)) as Trust;

async function certificatesOf(platform: RunningPlatform, id: string): Promise<number> {
  const { items } = JSON.parse(await platform.tenfold("api", "GET", `/api/v1/certificates?device=${id}`)) as { items: unknown[] };
  return items.length;
}
