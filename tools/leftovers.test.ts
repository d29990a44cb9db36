import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { endsWithUs, isGone, ownFolder } from "@tenfold/testkit";
import { ownerOf, sweepLeftovers } from "./leftovers.ts";

/** The number of a process that has ended. */
const gone = (): number => spawnSync(process.execPath, ["--version"]).pid;

test("a leftover is known by the process in its name, and what bears no such name is nobody's", () => {
  assert.deepEqual(["tenfold-812-2", "tf812x77", "tf812x77o", "tfb812", "tfo812-1"].map(ownerOf), [812, 812, 812, 812, 812]);
  assert.deepEqual(["eth0", "docker0", "tfx", "tenfold", "tenfold-x-1", "my-tf12"].map(ownerOf), Array(6).fill(undefined));
});

test("a folder of a process that is gone is taken away by the next of its kind, others stay", async () => {
  const dead = mkdtempSync(join(tmpdir(), `tenfold-leftover-${gone()}-`));
  const alive = mkdtempSync(join(tmpdir(), `tenfold-leftover-${process.ppid}-`));
  const own = await ownFolder("leftover");
  assert.deepEqual([dead, alive, own].map(existsSync), [false, true, true]);
  spawnSync("rm", ["-r", alive, own]);
});

test("a network of a process that is gone is taken away", {
  skip: process.getuid?.() === 0 && spawnSync("ip", ["netns"]).status === 0 ? false : "needs root and the program ip",
}, () => {
  const [dead, alive] = [gone(), process.pid].map((pid) => `tenfold-${pid}-0`);
  for (const name of [dead, alive]) spawnSync("ip", ["netns", "add", name ?? ""]);
  assert.deepEqual(sweepLeftovers().includes(dead ?? ""), true);
  const left = spawnSync("ip", ["netns", "list"], { encoding: "utf8" }).stdout;
  assert.deepEqual(
    [dead, alive].map((name) => left.includes(name ?? "")),
    [false, true],
  );
  spawnSync("ip", ["netns", "del", alive ?? ""]);
});

test("what was started to end with us ends when we are killed", {
  skip: endsWithUs("KILL").length > 0 ? false : "needs the program setpriv of Linux",
}, async () => {
  const [program = "", ...words] = [...endsWithUs("KILL"), process.execPath, "-e", "setTimeout(() => {}, 60_000)"];
  const script = `const child = require("node:child_process").spawn(${JSON.stringify(program)}, ${JSON.stringify(words)}); console.log(child.pid); setTimeout(() => {}, 60_000);`;
  const parent = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const pid = Number(String((await once(parent.stdout, "data"))[0]));
  assert.equal(isGone(pid), false);
  parent.kill("SIGKILL");
  await once(parent, "exit");
  for (const deadline = Date.now() + 5_000; !isGone(pid) && Date.now() < deadline; ) await new Promise((r) => setTimeout(r, 20));
  assert.equal(isGone(pid), true);
});
