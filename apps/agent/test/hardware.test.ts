import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { openKeyStore } from "@tenfold/pki";
import {
  makeSoftToken,
  makeSoftwareTpm,
  startPretendPlatform,
  withoutKeyEngine,
  withoutSoftHsm,
  withoutSoftwareTpm,
} from "@tenfold/testkit";
import { type AgentConfig, readConfig } from "../src/config.ts";
import { openDisk } from "../src/disk.ts";
import { runAgent } from "../src/supervisor.ts";

const places = [
  { name: "a PKCS#11 token (SoftHSM2)", skip: withoutKeyEngine() || withoutSoftHsm(), make: () => makeSoftToken("agent") },
  { name: "a TPM (swtpm)", skip: withoutKeyEngine() || withoutSoftwareTpm(), make: () => makeSoftwareTpm() },
] as const;

for (const { name, skip, make } of places)
  test(`with keys in ${name} an agent enrolls, connects by MQTT, renews with a new key, and destroys the old one`, {
    skip,
  }, async () => {
    await using hardware = await make();
    await using platform = await startPretendPlatform({ lifetime: 6_000 });
    const state = await mkdtemp(join(tmpdir(), "tenfold-agent-hw-"));
    platform.codes.set("box-1", "swordfish");
    const config: AgentConfig = {
      device: "box-1",
      model: "box",
      hardwareRevision: undefined,
      https: { url: platform.httpsUrl, ca: platform.ca },
      mqtt: { url: platform.mqttUrl, ca: platform.ca },
      state,
      keys: hardware.uri,
      idevid: undefined,
      code: "swordfish",
      trustedKeys: [],
      securityFloor: undefined,
      firmwareVersion: "1.0.0",
      heartbeatMs: 200,
      telemetryMs: 60_000,
      selfTest: undefined,
      queueRows: 100,
    };
    const stopping = new AbortController();
    const disk = await openDisk(state, config);
    const ended = runAgent(config, {
      disk,
      signal: stopping.signal,
      note: () => {},
      patience: { retryBaseMs: 50, retryCapMs: 200 },
    });
    const kept = async () => JSON.parse(await readFile(join(state, "credentials.json"), "utf8")) as Record<string, unknown>;
    const heartbeats = () => platform.heard.filter(({ topic }) => topic.endsWith("/heartbeat")).length;
    try {
      await until("a heartbeat", () => heartbeats() > 0);
      const first = await kept();
      assert.deepEqual([first.key, first.place], [undefined, hardware.uri], "there is no private key on the disk");
      await until("a renewal over the link", () => platform.renewedOnLink.length > 0);
      const before = heartbeats();
      await until("a heartbeat by the renewed certificate", () => heartbeats() > before);
      const second = await kept();
      assert.notEqual(second.name, first.name);
      await using store = openKeyStore(hardware.uri, { folder: state });
      assert.ok(await store.open(String(second.name)));
      assert.equal(await store.open(String(first.name)), undefined, "the first key is gone");
    } finally {
      stopping.abort();
      await ended;
      await rm(state, { recursive: true, force: true });
    }
  });

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `never came true: ${what}`);
    await pause(20);
  }
}

test("a place for keys that cannot be read stops the start and says which flag", () => {
  const flags = (more: string[]) => ["--server", "https://localhost:8443", "--ca", "package.json", ...more];
  assert.equal(
    readConfig(flags(["--keys", "pkcs11:token=t?pin-source=file:/etc/pin"])).keys,
    "pkcs11:token=t?pin-source=file:/etc/pin",
  );
  assert.throws(() => readConfig(flags(["--keys", "pkcs11:object=x"])), /--keys: A pkcs11: URI must name its token/);
  assert.throws(() => readConfig(flags(["--keys", "tpm:handle=0x81000001"])), /--keys: A place for keys is a whole TPM/);
  const idevid = (key: string) => readConfig(flags(["--idevid-cert", "package.json", "--idevid-key", key])).idevid;
  assert.deepEqual(Object.keys(idevid("tpm:handle=0x81000010") ?? {}), ["cert", "keyUri"]);
  assert.throws(() => idevid("tpm:"), /--idevid-key: tpm: names no key/);
});
