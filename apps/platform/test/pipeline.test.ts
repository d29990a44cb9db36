import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { api } from "@tenfold/contracts";
import { gitHubClaims, type LocalIssuer, startIssuer } from "../src/access/oidc/testing.ts";
import { weakNetwork } from "../src/releases/uploads/testing.ts";
import { startWorld, type World } from "./world.ts";

const simulator = fileURLToPath(new URL("../../simulator/src/main.ts", import.meta.url));
const cli = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));

/** The runner's side of GitHub's OpenID Connect: it answers its own bearer token with an ID token for the audience that is asked for. */
async function pretendRunner(issuer: LocalIssuer) {
  let asked = 0;
  const server = createServer(async (request, response) => {
    asked += 1;
    const { searchParams } = new URL(request.url ?? "", "http://runner");
    const repository = searchParams.has("fork") ? "mallory/pump" : "acme/pump";
    const known =
      request.headers.authorization === "bearer runner-bearer" || request.headers.authorization === "Bearer runner-bearer";
    const value = known ? await issuer.tokenFor(gitHubClaims({ aud: searchParams.get("audience"), repository })) : undefined;
    response.writeHead(known ? 200 : 401, { "content-type": "application/json" }).end(JSON.stringify({ value }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const sbomOf = (version: string) => ({
  ...{ bomFormat: "CycloneDX", specVersion: "1.6", version: 1 },
  metadata: { component: { type: "firmware", name: "pump", version } },
  components: [{ type: "library", name: "openssl", version: "3.0.14", purl: "pkg:deb/debian/openssl@3.0.14" }],
});

/** [SLSA 1.0 provenance] in an in-toto Statement v1. */
const provenanceOf = (image: Buffer) => ({
  _type: "https://in-toto.io/Statement/v1",
  subject: [{ name: "pump.bin", digest: { sha256: createHash("sha256").update(image).digest("hex") } }],
  predicateType: "https://slsa.dev/provenance/v1",
  predicate: {
    buildDefinition: {
      buildType: "https://builder.example/make/v1",
      externalParameters: { source: "https://git.example/acme/pump" },
      resolvedDependencies: [{ uri: "git+https://git.example/acme/pump", digest: { gitCommit: "ab".repeat(20) } }],
    },
    runDetails: { builder: { id: "https://builder.example" }, metadata: { invocationId: "run-1" } },
  },
});

type Ran = { code: number; out: string; err: string };

describe("a pipeline that only has the command line", () => {
  let world: World;
  let folder: string;

  before(async () => {
    [world, folder] = [await startWorld(), await mkdtemp(join(tmpdir(), "tenfold-pipeline-"))];
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  /** The command line as a pipeline starts it: no terminal, nobody to ask. */
  function tenfold(args: string[], env: Record<string, string | undefined> = {}): Promise<Ran> {
    const { PATH = "", HOME = "" } = process.env;
    const options = {
      cwd: folder,
      env: { PATH, HOME, CI: "true", TENFOLD_URL: world.url, TENFOLD_TOKEN: world.token, ...env },
      timeout: 120_000,
    };
    return new Promise((resolve) => {
      execFile(process.execPath, [cli, ...args], options, (error, out, err) =>
        resolve({ code: error === null ? 0 : Number(error.code), out, err }),
      );
    });
  }

  test("a job signs in by its runner's token, in the first command that needs it, and gets no more than its trust gives", {
    timeout: 600_000,
  }, async () => {
    await using issuer = await startIssuer();
    await using runner = await pretendRunner(issuer);
    const trusted = await tenfold(
      ["account", "trust", "pump-ci", "--issuer", issuer.url, "--claim", "repository=acme/pump", "--ref", "refs/tags/v*"].concat([
        "--audience",
        "https://fleet.example",
        "--json",
      ]),
    );
    assert.deepEqual([trusted.code, JSON.parse(trusted.out).conditions], [0, { repository: ["acme/pump"], ref: ["refs/tags/v*"] }]);
    const job = {
      TENFOLD_TOKEN: "",
      XDG_CONFIG_HOME: join(folder, "config"),
      TENFOLD_OIDC_AUDIENCE: "https://fleet.example",
      GITHUB_ACTIONS: "true",
      ACTIONS_ID_TOKEN_REQUEST_URL: `${runner.url}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: "runner-bearer",
    };
    const first = await tenfold(["release", "list", "--json"], job);
    assert.deepEqual([first.code, first.err], [0, ""]);
    assert.equal((await stat(join(folder, "config", "tenfold", "credentials.json"))).mode & 0o777, 0o600);
    const refused = await tenfold(["account", "list"], job);
    assert.deepEqual([refused.code, /may not access\.read/.test(refused.err)], [4, true], "it has its trust's role and no more");
    assert.equal(runner.asked(), 1, "one sign-in serves the commands of a job");
    const fork = await tenfold(["login", "--oidc"], { ...job, ACTIONS_ID_TOKEN_REQUEST_URL: `${runner.url}/token?fork=1` });
    assert.deepEqual([fork.code, /repository must be acme\/pump/.test(fork.err)], [4, true]);
    await tenfold(["account", "untrust", "pump-ci", "--yes"]);
    assert.equal((await tenfold(["release", "list"], job)).code, 4, "what it was given is worthless at once");
  });

  test("an artifact is pushed over a network that breaks off, and only what is missing is sent again", {
    timeout: 600_000,
  }, async () => {
    const bytes = randomBytes(12_000_000);
    const path = join(folder, "large.bin");
    await writeFile(path, bytes);
    await using weak = await weakNetwork(world.url, [300, 5_000_000, 9_000_000]);
    const pushed = await tenfold(["artifact", "push", path, "--json"], { TENFOLD_URL: weak.url });
    assert.deepEqual([pushed.code, pushed.err], [0, ""], "no noise where programs read");
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    assert.deepEqual(JSON.parse(pushed.out), { sha256, size: bytes.length, already: false });
    const held = await world.client.raw("GET", `/api/v1/artifacts/${sha256}`);
    assert.ok(Buffer.from(await held.arrayBuffer()).equals(bytes));
    const before = weak.received();
    const again = await tenfold(["artifact", "push", path], { TENFOLD_URL: weak.url });
    assert.match(again.out, /was there already/);
    assert.ok(weak.received() - before < 10_000, "the same bytes cost nothing");
    assert.ok(before < 1.6 * bytes.length, `${before} bytes were sent for ${bytes.length}`);
  });

  test("a release comes from a signature made off line to the verified boot of its last device, and each end of a rollout has an exit code", {
    timeout: 900_000,
  }, async () => {
    await using issuer = await startIssuer();
    await using runner = await pretendRunner(issuer);
    const done = async (ran: Promise<Ran>) => {
      const { code, out, err } = await ran;
      assert.equal(code, 0, err);
      return out;
    };
    // Whoever signs has no way to the server: no address, no token, and nobody listens where it would look.
    const offline = { TENFOLD_URL: "http://127.0.0.1:9", TENFOLD_TOKEN: "" };
    const [keys, online] = [join(folder, "release-keys"), join(folder, "online.json")];
    await done(tenfold(["tuf", "online", "--out", online]));
    await done(tenfold(["tuf", "init", keys, "--online", online], offline));
    await done(tenfold(["tuf", "publish", keys]));
    const plan = { stages: [{ share: 0.34 }, { share: 1 }], soak: "PT1S", deadline: "PT90S" };
    await writeFile(join(folder, "plan.json"), JSON.stringify(plan));
    await done(tenfold(["rollout", "save-plan", "canary", join(folder, "plan.json"), "--note", "short, for a test"]));
    const trust = ["--issuer", issuer.url, "--claim", "repository=acme/pump", "--ref", "refs/tags/v*"];
    await done(tenfold(["account", "trust", "pump-release", ...trust, "--audience", "https://fleet.example"]));
    await using fleet = simulate(keys);
    await fleet.online(6);

    await using weak = await weakNetwork(world.url, [40_000]);
    const job = {
      TENFOLD_URL: weak.url,
      TENFOLD_TOKEN: "",
      XDG_CONFIG_HOME: join(folder, "job"),
      TENFOLD_OIDC_AUDIENCE: "https://fleet.example",
      GITHUB_ACTIONS: "true",
      ACTIONS_ID_TOKEN_REQUEST_URL: `${runner.url}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: "runner-bearer",
    };
    /** What a pipeline does, in its order; resolves to the rollout's id. */
    const ship = async (version: string, behaviour: string[]) => {
      const image = join(folder, `pump-${version}.bin`);
      await done(tenfold(["sim", "firmware", "--version", version, "--size", "131072", "--out", image, ...behaviour], offline));
      const [sbom, provenance] = [join(folder, `${version}.cdx.json`), join(folder, `${version}.intoto.json`)];
      await writeFile(sbom, JSON.stringify(sbomOf(version)));
      await writeFile(provenance, JSON.stringify(provenanceOf(await readFile(image))));
      const named = ["--version", version, "--name", "pump"];
      await done(tenfold(["artifact", "sign", image, "--tuf", keys, ...named, "--out", `${image}.release.json`], offline));
      await done(tenfold(["tuf", "publish", keys], job));
      await done(tenfold(["artifact", "push", image], job));
      const create = [
        "release",
        "create",
        image,
        "--envelope",
        `${image}.release.json`,
        "--sbom",
        sbom,
        "--provenance",
        provenance,
      ];
      const made = JSON.parse(await done(tenfold([...create, "--json"], job))) as { id: string };
      assert.match(await done(tenfold(["release", "sbom", made.id], job)), /openssl/);
      assert.match(await done(tenfold(["release", "provenance", made.id], job)), /builder.example/);
      const start = ["rollout", "start", made.id, "--plan", "canary", "--once", `acme/pump/${version}`, "--yes", "--json"];
      const { id } = JSON.parse(await done(tenfold(start, job))) as { id: string };
      const again = JSON.parse(await done(tenfold(start, job))) as { id: string };
      assert.equal(again.id, id, "a job that runs again starts nothing twice");
      return id;
    };
    const watch = (id: string, ...more: string[]) => tenfold(["rollout", "watch", id, ...more], job);

    const good = await ship("2.0.0", []);
    const completed = await watch(good, "--timeout", "3m");
    assert.deepEqual([completed.code, /completed/.test(completed.out)], [0, true], completed.err);
    const { counts } = JSON.parse(await done(tenfold(["rollout", "show", good, "--json"]))) as { counts: Record<string, number> };
    assert.equal(counts.succeeded, 6);

    const bad = await ship("2.1.0", ["--falls-back", "1"]);
    const halted = await watch(bad, "--timeout", "3m");
    assert.deepEqual([halted.code, /tenfold rollout report/.test(halted.err)], [5, true], halted.err);

    const silent = await ship("2.2.0", ["--bricks", "1"]);
    const early = await watch(silent, "--timeout", "2s");
    assert.deepEqual([early.code, /The wait ended before the rollout did/.test(early.err)], [6, true], early.err);
    const cancelled = await tenfold(["rollout", "cancel", silent, "--yes", "--reason", "seen enough"]);
    assert.equal(cancelled.code, 0, cancelled.err);
    const over = await watch(silent);
    assert.deepEqual(
      [over.code, /cancelled/.test(over.err)],
      [5, true],
      "a pipeline does not take a cancelled rollout for a good one",
    );
  });

  /** Devices with the agent's own brain, which believe these roots and nothing else. */
  function simulate(keys: string): AsyncDisposable & { online(n: number): Promise<void> } {
    const doors = ["--device-url", world.deviceUrl, "--mqtt-url", `mqtts://localhost:${world.mqttPort}`];
    const files = ["--ca", join(world.dataDir, "pki", "ca.pem"), "--token-file", join(world.dataDir, "admin-token")];
    const words = [
      "--devices",
      "6",
      "--heartbeat",
      "1s",
      "--state",
      join(folder, "fleet"),
      "--tuf-roots",
      join(keys, "roots.json"),
    ];
    const child = spawn(process.execPath, [simulator, "start", "--api", world.url, ...doors, ...files, ...words], {
      stdio: "ignore",
    });
    return {
      async online(n) {
        for (const deadline = Date.now() + 60_000; ; await wait(200)) {
          const { connectivity } = await world.client.call(api.summarizeDevices, { query: {} });
          if (connectivity.online === n) return;
          assert.ok(Date.now() < deadline, `only ${connectivity.online ?? 0} of ${n} devices are online after a minute`);
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
