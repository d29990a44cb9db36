import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gitHubClaims, type LocalIssuer, startIssuer } from "../src/access/oidc/testing.ts";
import { weakNetwork } from "../src/releases/uploads/testing.ts";
import { startWorld, type World } from "./world.ts";

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
  function tenfold(args: string[], env: Record<string, string> = {}): Promise<Ran> {
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
});
