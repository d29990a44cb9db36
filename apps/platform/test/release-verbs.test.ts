import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash, createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { api } from "@tenfold/contracts";
import { generateSigningKey } from "@tenfold/ota";
import { startWorld, type World } from "./world.ts";

const script = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const [cli, agentMain] = [script("../../cli/src/main.ts"), script("../../agent/src/main.ts")];

type Ran = { code: number; out: string; err: string };
type Row = Record<string, unknown>;

/** The verbs that keep releases, their documents and those who vouch for them, as an operator types them: right, wrong, and twice. */
describe("releases, their documents and their signers on the command line", { timeout: 900_000 }, () => {
  let world: World;
  let folder: string;
  const at = (name: string) => join(folder, name);
  const image = Buffer.from("firmware of a pump, as bytes");
  const sha256 = createHash("sha256").update(image).digest("hex");
  const signer = generateSigningKey();
  const builder = generateKeyPairSync("ed25519");

  before(async () => {
    [world, folder] = [await startWorld({ TENFOLD_ROLLOUT_TICK: "200ms" }), await mkdtemp(join(tmpdir(), "tenfold-verbs-"))];
    await writeFile(at("pump.bin"), image);
    await writeFile(at("key.pem"), signer.privateKeyPem);
    await writeFile(at("key.pub.pem"), signer.publicKeyPem);
    await writeFile(at("builder.pub.pem"), builder.publicKey.export({ type: "spki", format: "pem" }));
    await writeFile(at("sbom.json"), JSON.stringify(sbom));
    await writeFile(at("provenance.json"), JSON.stringify(vouchedProvenance()));
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const sbom = {
    ...{ bomFormat: "CycloneDX", specVersion: "1.6", version: 1 },
    metadata: { component: { type: "firmware", name: "pump", version: "1.0.0", hashes: [{ alg: "SHA-256", content: sha256 }] } },
    components: [{ type: "library", name: "openssl", version: "3.0.14", purl: "pkg:deb/debian/openssl@3.0.14" }],
  };

  /** [DSSE 1.0] An in-toto statement of SLSA provenance with the builder's signature. */
  function vouchedProvenance(): object {
    const type = "application/vnd.in-toto+json";
    const payload = Buffer.from(
      JSON.stringify({
        _type: "https://in-toto.io/Statement/v1",
        subject: [{ name: "pump.bin", digest: { sha256 } }],
        predicateType: "https://slsa.dev/provenance/v1",
        predicate: {
          buildDefinition: { buildType: "https://builder.example/make/v1", externalParameters: {}, resolvedDependencies: [] },
          runDetails: { builder: { id: "https://builder.example" }, metadata: { invocationId: "run-1" } },
        },
      }),
    );
    const signed = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]);
    const sig = sign(null, signed, createPrivateKey(builder.privateKey.export({ type: "pkcs8", format: "pem" }))).toString(
      "base64",
    );
    return { payloadType: type, payload: payload.toString("base64"), signatures: [{ sig }] };
  }

  function tenfold(...args: string[]): Promise<Ran> {
    const { PATH = "", HOME = "" } = process.env;
    const env = { PATH, HOME, CI: "true", TENFOLD_URL: world.url, TENFOLD_TOKEN: world.token };
    return new Promise((resolve) => {
      execFile(process.execPath, [cli, ...args], { cwd: folder, env, timeout: 120_000 }, (error, out, err) =>
        resolve({ code: error === null ? 0 : Number(error.code), out, err }),
      );
    });
  }
  const json = async <T>(...args: string[]): Promise<T> => {
    const { code, out, err } = await tenfold(...args, "--json");
    assert.equal(code, 0, err);
    return JSON.parse(out) as T;
  };
  const listed = async (...args: string[]) => (await json<{ items: Row[] }>(...args)).items;
  const refused = async (code: number, says: RegExp, ...args: string[]) => {
    const ran = await tenfold(...args);
    assert.equal(ran.code, code, `${args.join(" ")}: ${ran.err}`);
    assert.match(ran.err, says);
    assert.doesNotMatch(ran.err, /\n\s+at /, "a person is shown no stack");
    assert.equal(ran.out, "");
  };

  test("what is no file, no key or no release is named, and nothing is half done", async () => {
    await refused(2, /There is no file "nowhere\.pem"/, "release", "trust", "nowhere.pem");
    await refused(2, /A folder was named/, "release", "vouch", ".");
    await refused(
      2,
      /There is no file "nowhere\.bin"/,
      "release",
      "create",
      "nowhere.bin",
      "--key",
      "key.pem",
      "--version",
      "1.0.0",
    );
    await writeFile(at("nonsense.json"), "{");
    await refused(
      2,
      /--envelope: "nonsense\.json" is no signed release[\s\S]*tenfold artifact sign/,
      "release",
      "create",
      "pump.bin",
      "--envelope",
      "nonsense.json",
    );
    await refused(3, /no-such/, "release", "documents", "no-such");
    await refused(2, /key/, "release", "trust", "pump.bin");
    assert.deepEqual(await listed("release", "signers"), []);
    assert.deepEqual(await listed("release", "list"), []);
  });

  test("signers: a key is registered once, makes releases, and is revoked for good", async () => {
    const { keyid } = await json<{ keyid: string }>("release", "trust", "key.pub.pem", "--name", "spring key");
    await refused(4, /already|registered/, "release", "trust", "key.pub.pem");
    const [first] = await listed("release", "signers");
    assert.deepEqual([first?.keyid, first?.name, first?.revokedAt ?? undefined], [keyid, "spring key", undefined]);
    for (const version of ["1.0.0", "1.1.0"])
      await json("release", "create", "pump.bin", "--key", "key.pem", "--name", "pump", "--version", version);

    await refused(3, /ffff/, "release", "distrust", "f".repeat(64), "--yes");
    await refused(4, /--yes/, "release", "distrust", keyid, "--no-input");
    assert.match((await tenfold("release", "distrust", keyid, "--dry-run")).out, /Would revoke the signing key spring key/);
    assert.equal(
      (await listed("release", "signers"))[0]?.revokedAt ?? undefined,
      undefined,
      "neither of the two has done anything",
    );
    const gone = await tenfold("release", "distrust", keyid, "--yes", "--reason", "the laptop was stolen");
    assert.deepEqual([gone.code, /spring key makes no release any more/.test(gone.out)], [0, true], gone.err);
    assert.notEqual((await listed("release", "signers"))[0]?.revokedAt ?? undefined, undefined);
    const again = await tenfold("release", "distrust", keyid, "--yes");
    assert.equal(again.code, 0, `revoking twice is revoking once: ${again.err}`);
    await refused(
      1,
      /sign|trust|key/i,
      "release",
      "create",
      "pump.bin",
      "--key",
      "key.pem",
      "--name",
      "pump",
      "--version",
      "1.2.0",
    );
  });

  test("documents: what is attached is listed, taken away as long as nothing was rolled out, and attached again", async () => {
    await refused(2, /--sbom or --provenance/, "release", "attach", "1.0.0");
    await refused(2, /There is no file "nowhere\.json"/, "release", "attach", "1.0.0", "--sbom", "nowhere.json");
    await refused(1, /CycloneDX|document|SBOM/i, "release", "attach", "1.0.0", "--sbom", "pump.bin");
    for (const _ of ["first", "again"])
      await json("release", "attach", "1.0.0", "--sbom", "sbom.json", "--provenance", "provenance.json");
    const found = await listed("release", "documents", "1.0.0");
    assert.deepEqual(found.map(({ kind }) => kind).toSorted(), ["provenance", "sbom"], "twice is once");
    assert.deepEqual(await listed("release", "documents", "1.1.0"), [], "the same bytes, another release");

    const id = String(found.find(({ kind }) => kind === "sbom")?.id);
    await refused(3, /att_none/, "release", "detach", "1.0.0", "att_none", "--yes");
    await refused(3, new RegExp(id), "release", "detach", "1.1.0", id, "--yes");
    assert.match((await tenfold("release", "detach", "1.0.0", id, "--dry-run")).out, /Would detach the sbom/);
    const gone = await tenfold("release", "detach", "1.0.0", id, "--yes");
    assert.deepEqual([gone.code, /can be attached again: tenfold release attach 1\.0\.0/.test(gone.out)], [0, true], gone.err);
    await refused(3, new RegExp(id), "release", "detach", "1.0.0", id, "--yes");
    assert.equal((await listed("release", "documents", "1.0.0")).length, 1);
    await json("release", "attach", "1.0.0", "--sbom", "sbom.json");
    assert.equal((await listed("release", "documents", "1.0.0")).length, 2);
  });

  test("builders: provenance is vouched for as long as its builder's key is, and by nobody after", async () => {
    const vouched = async () => (await tenfold("release", "provenance", "1.0.0")).out.split("\n")[0] ?? "";
    assert.match(await vouched(), /by nobody who is known here/);
    await refused(1, /key/, "release", "vouch", "pump.bin");
    const { keyid } = await json<{ keyid: string }>("release", "vouch", "builder.pub.pem", "--name", "the build farm");
    const [first] = await listed("release", "builders");
    assert.deepEqual([first?.keyid, first?.name], [keyid, "the build farm"]);
    assert.match(await vouched(), /by nobody who is known here/, "what was attached before is judged when it is attached again");
    await json("release", "attach", "1.0.0", "--provenance", "provenance.json");
    assert.match(await vouched(), new RegExp(`by ${keyid.slice(0, 12)}`));

    await refused(3, /ffff/, "release", "unvouch", "f".repeat(64), "--yes");
    await refused(4, /--yes/, "release", "unvouch", keyid, "--no-input");
    assert.match((await tenfold("release", "unvouch", keyid, "--dry-run")).out, /Would revoke the key of the build farm/);
    assert.match(await vouched(), new RegExp(keyid.slice(0, 12)), "neither of the two has done anything");
    for (const time of ["once", "twice"]) {
      const gone = await tenfold("release", "unvouch", keyid, "--yes");
      assert.deepEqual([gone.code, /vouches for nothing any more/.test(gone.out)], [0, true], `${time}: ${gone.err}`);
    }
    assert.match(await vouched(), /by nobody who is known here/);
  });

  test("tuf init --vouch: an agent in the field that knows a release key only comes to believe the roots that the key vouches for", async () => {
    await refused(2, /The key file .* is missing/, "tuf", "init", at("unvouched"), "--vouch", at("nowhere.pem"));
    const old = await tenfold("artifact", "key", at("old-key.pem"));
    assert.equal(old.code, 0, old.err);
    const keys = at("release-keys");
    await json("tuf", "init", keys, "--vouch", at("old-key.pem"), "--targets-key", at("old-key.pem"));
    await refused(2, /is a signing folder already/, "tuf", "init", keys);
    assert.equal((await tenfold("tuf", "publish", keys)).code, 0);
    const { code } = await json<{ code: string }>("enroll", "code", "box-1");
    await using agent = runAgent(code, at("old-key.pem.pub"));
    await json("release", "create", "pump.bin", "--tuf", keys, "--name", "pump", "--version", "3.0.0");
    await agent.online();
    const start = ["rollout", "start", "pump@3.0.0", "--filter", "id:box-1", "--yes", "--stages", "100%", "--soak", "0s"];
    const { id } = await json<{ id: string }>(...start);
    const watched = await tenfold("rollout", "watch", id, "--timeout", "2m");
    assert.equal(watched.code, 0, `${watched.err}\n${agent.log().slice(-3_000)}`);
    assert.match(agent.log(), /metadata\.adopted/);
  });

  /** A real agent that trusts this release key and no roots. */
  function runAgent(code: string, releaseKeys: string) {
    const flags = {
      ...{ "--server": world.deviceUrl, "--mqtt-server": `mqtts://localhost:${world.mqttPort}`, "--device": "box-1" },
      ...{ "--ca": join(world.dataDir, "pki", "ca.pem"), "--code": code, "--model": "box", "--state": at("agent") },
      ...{ "--release-keys": releaseKeys, "--firmware-version": "1.0.0", "--heartbeat": "500ms", "--telemetry": "1h" },
    };
    const child = spawn(process.execPath, [agentMain, ...Object.entries(flags).flat()], { stdio: ["ignore", "pipe", "pipe"] });
    let log = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (log += text));
    return {
      log: () => log,
      async online() {
        for (const deadline = Date.now() + 60_000; ; await wait(200)) {
          const found = await world.client.call(api.getDevice, { params: { id: "box-1" } }).catch(() => undefined);
          if (found?.connectivity?.is === "online") return;
          assert.ok(Date.now() < deadline, log);
        }
      },
      async [Symbol.asyncDispose]() {
        if (child.exitCode !== null) return;
        const ended = once(child, "exit");
        child.kill("SIGTERM");
        await ended;
      },
    };
  }
});
