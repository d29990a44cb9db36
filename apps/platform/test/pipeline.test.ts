import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { weakNetwork } from "../src/releases/uploads/testing.ts";
import { startWorld, type World } from "./world.ts";

const cli = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));

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

  test("an artifact is pushed over a network that breaks off, and only what is missing is sent again", async () => {
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
