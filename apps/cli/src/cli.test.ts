import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Problem } from "@tenfold/base";
import { signedRelease } from "@tenfold/contracts";
import { readPlan } from "./commands/rollout/plan.ts";
import { exitCodeOf } from "./exit.ts";
import { createOutput, facts } from "./output.ts";

const problem = (code: string, status: ConstructorParameters<typeof Problem>[0]["status"]) => new Problem({ code, status }, "…");

type Ran = { code: number; out: string; err: string };

/** The command line as a person starts it; it answers within seconds or not at all. */
function tenfold(...args: string[]): Promise<Ran> {
  const main = join(import.meta.dirname, "main.ts");
  // Without a server of its own, and without one that this machine may have.
  const env = { ...process.env, TENFOLD_URL: "http://127.0.0.1:9", TENFOLD_TOKEN: "tf_none" };
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { env, timeout: 30_000 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

test("the shell is told by the exit code what went wrong", () => {
  assert.equal(exitCodeOf(problem("device_unknown", 404)), 3);
  assert.equal(exitCodeOf(problem("not_allowed", 403)), 4);
  assert.equal(exitCodeOf(problem("lifecycle_not_allowed", 409)), 4);
  assert.equal(exitCodeOf(problem("rollout_halted", 409)), 5);
  assert.equal(exitCodeOf(problem("input_invalid", 422)), 2);
  assert.equal(exitCodeOf(problem("internal", 500)), 1);
  assert.equal(exitCodeOf(new Error("?")), 1);
});

test("a list is a table on a terminal, tabs in a pipe, and JSON when asked", () => {
  const items = [
    { id: "a", n: 1 },
    { id: "bb", n: 22 },
  ];
  const show = (options: { json?: boolean; jsonl?: boolean; terminal?: boolean }) => {
    let text = "";
    const { json = false, jsonl = false, terminal = false } = options;
    createOutput({
      json,
      jsonl,
      terminal,
      env: { NO_COLOR: "1" },
      write: (part) => (text += part),
      writeNote: () => undefined,
    }).list(items, (item) => item);
    return text;
  };
  assert.equal(show({ terminal: true }), "ID  N\na   1\nbb  22\n");
  assert.equal(show({}), "a\t1\nbb\t22\n");
  assert.deepEqual(JSON.parse(show({ json: true })), { items });
  assert.deepEqual(
    show({ jsonl: true })
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
    items,
  );
});

test("facts without a value are left out, and the others stand in one column", () => {
  assert.deepEqual(facts({ id: "a", missing: undefined, "last contact": "now" }), ["id            a", "last contact  now"]);
});

test("a plan reads shares and durations as people write them, and names the flag that it cannot read", () => {
  const flags = { stages: "5%,0.25,100%", haltAbove: "5%", deadline: "1h", soak: "PT5M", atOnce: "500", onHalt: "roll_back" };
  const plan = readPlan("2.0.0", flags);
  assert.deepEqual(plan.stages, [{ share: 0.05 }, { share: 0.25 }, { share: 1 }]);
  assert.deepEqual([plan.deadline, plan.soak], ["PT1H", "PT5M"]);
  assert.throws(() => readPlan("2.0.0", { ...flags, haltAbove: "many" }), { code: "usage", message: /--halt-above: "many"/ });
  assert.throws(() => readPlan("2.0.0", { ...flags, soak: "soon" }), { code: "usage", message: /--soak: "soon"/ });
});

test("an unknown command is a usage error that suggests the right one; --version is the program's", async () => {
  const wrong = await tenfold("devise");
  assert.deepEqual([wrong.code, wrong.out], [2, ""]);
  assert.match(wrong.err, /device/);
  assert.match((await tenfold("--version")).out, /^\d+\.\d+\.\d+\n$/);
});

test("without a server the failure names the address and what to do", async () => {
  const { code, err } = await tenfold("status");
  assert.equal(code, 1);
  assert.match(err, /No Tenfold server answers at http:\/\/127\.0\.0\.1:9.*\n.*npm start/s);
});

test("what needs a person's yes is refused where nobody can be asked", async () => {
  const { code, err } = await tenfold("device", "retire", "pump-1", "--no-input");
  assert.equal(code, 4);
  assert.match(err, /--yes/);
  assert.match((await tenfold("device", "retire", "pump-1", "--dry-run")).out, /Would retire pump-1/);
});

test("a release is signed without any server, verifies, and no longer verifies when a bit of the file flips", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tenfold-cli-"));
  try {
    const [key, image] = [join(dir, "key.pem"), join(dir, "app.bin")];
    await writeFile(image, "firmware");
    assert.equal((await tenfold("artifact", "key", key)).code, 0);
    assert.equal((await stat(key)).mode & 0o777, 0o600);
    assert.equal((await tenfold("artifact", "sign", image, "--key", key, "--version", "2.0.0", "--models", "a,b")).code, 0);
    const envelope = signedRelease.parse(JSON.parse(await readFile(`${image}.release.json`, "utf8")));
    assert.deepEqual([envelope.signed.version, envelope.signed.models, envelope.signed.artifact.size], ["2.0.0", ["a", "b"], 8]);
    assert.equal((await tenfold("artifact", "verify", image, "--key", `${key}.pub`)).code, 0);
    await writeFile(image, "firmwarf");
    assert.equal((await tenfold("artifact", "verify", image, "--key", `${key}.pub`)).code, 4);
    assert.equal((await tenfold("artifact", "key", key)).code, 1, "an existing key is never overwritten");
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
