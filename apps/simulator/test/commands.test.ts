import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type PretendPlatform, startPretendPlatform } from "@tenfold/testkit";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

type Ended = { code: number | null; out: string; err: string };

/** Runs the simulator as a person would. `seen` may end it, by a signal, when it has seen what it waits for. */
async function simulator(args: string[], seen: (out: string) => boolean = () => false): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"], timeout: 60_000 });
  let [out, err] = ["", ""];
  let ending = false;
  child.stdout.on("data", (chunk) => {
    out += chunk;
    if (!ending && seen(out)) ending = child.kill("SIGTERM");
  });
  child.stderr.on("data", (chunk) => {
    err += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, out, err };
}

async function place(): Promise<AsyncDisposable & { platform: PretendPlatform; folder: string; flags: string[] }> {
  const platform = await startPretendPlatform();
  const folder = await mkdtemp(join(tmpdir(), "tenfold-sim-"));
  await writeFile(join(folder, "token"), "tf_test");
  await writeFile(join(folder, "ca.pem"), platform.ca);
  const { apiUrl, httpsUrl, mqttUrl } = platform;
  const flags = [
    "--api",
    apiUrl,
    "--device-url",
    httpsUrl,
    "--mqtt-url",
    mqttUrl,
    "--token-file",
    join(folder, "token"),
    "--ca",
    join(folder, "ca.pem"),
    "--state",
    join(folder, "state"),
    "--jsonl",
  ];
  return {
    platform,
    folder,
    flags,
    async [Symbol.asyncDispose]() {
      await platform[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const events = (out: string) =>
  out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { event: string } & Record<string, unknown>);

test("`start` tells its steps as JSON lines, and ends on SIGTERM with a summary and exit code 0", async () => {
  await using here = await place();
  const { code, out, err } = await simulator(
    ["start", "--devices", "5", "--heartbeat", "500ms", "--telemetry", "500ms", ...here.flags],
    (said) => said.includes("all_connected"),
  );
  assert.equal(code, 0, err);
  const told = events(out);
  assert.deepEqual(told[0], {
    event: "factory",
    devices: 5,
    made: 5,
    anchor: "created",
    expected: 1,
    already: 0,
    state: join(here.folder, "state"),
  });
  const summary = told.at(-1);
  assert.deepEqual(
    [summary?.event, summary?.devices, summary?.enrolled, summary?.connected, summary?.brickedDevices],
    ["summary", 5, 5, 5, []],
  );
});

test("`replay` sends every point once, names the line that it could not read, and says what the store must hold", async () => {
  await using here = await place();
  const file = join(here.folder, "R.txt");
  await writeFile(
    file,
    "1163438041250 20 1 21,21 2,81 51,53 22,08 20 28\n1163438041468 10 1 20,07 3 51,46 22,3 2 2\nnoise\n1163438101250 20 2 21,3 2,81 51,5 22 20 28\n",
  );
  const { code, out, err } = await simulator(["replay", file, ...here.flags]);
  assert.equal(code, 0, err);
  const { replay } = events(out).at(-1) as unknown as { replay: Record<string, unknown> };
  assert.deepEqual([replay.rows, replay.points, replay.pointsAcked, replay.devices], [3, 21, 21, 2]);
  assert.deepEqual(replay.malformedLines, [{ line: 3, reason: "not the nine fields of a sensing packet", text: "noise" }]);
  const sent = here.platform.heard
    .filter(({ topic }) => topic === "devices/replay-node-20/telemetry")
    .flatMap(({ payload }) => JSON.parse(payload) as { n: string; v: number; bt?: number; t?: number }[]);
  assert.deepEqual(
    sent.filter(({ n }) => n === "internal_temperature").map(({ v }) => v),
    [21.21, 21.3],
  );
  const last = (replay.series as { device: string; metric: string; lastAt: string }[]).find(
    ({ device }) => device === "replay-node-20",
  );
  const base = sent.find(({ bt }) => bt !== undefined)?.bt ?? 0;
  assert.equal(Math.round((base + 60) * 1_000), Date.parse(last?.lastAt ?? ""));
});

test("`firmware` writes a file whose first line says how it behaves; wrong flags end with exit code 2 and what to do", async () => {
  await using here = await place();
  const out = join(here.folder, "bad.bin");
  const made = await simulator(["firmware", "--version", "2.0.0", "--bricks", "20%", "--size", "4096", "--out", out]);
  assert.equal(made.code, 0, made.err);
  const bytes = await readFile(out);
  assert.equal(bytes.length, 4_096);
  assert.equal(bytes.toString("latin1").split("\n")[0], '{"tenfoldSim":{"version":"2.0.0","bricks":0.2}}');
  const wrong = await simulator(["start", "--devices", "many", ...here.flags]);
  assert.deepEqual([wrong.code, /--devices is a whole number/.test(wrong.err)], [2, true]);
});
