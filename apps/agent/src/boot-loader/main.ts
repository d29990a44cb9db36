/**
 * A boot loader as a program of its own, for file slots and for tests of installers: it counts a start before the start, checks the image's
 * signature by its own keys, falls back, and writes a log. It is to the agent what U-Boot is: it imports nothing of Tenfold, decides by nothing
 * but its own environment, and may be replaced by any boot loader that follows the same variables (RAUC's U-Boot script: BOOT_ORDER,
 * BOOT_A_LEFT, BOOT_B_LEFT).
 *
 *   node main.ts --env FILE --env FILE --keys FILE --log FILE (--files DIR | --raw a=FILE --raw b=FILE) -- COMMAND [{slot}] …
 *
 * COMMAND is the system: when it ends, however it ends, the machine starts anew.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, renameSync, statSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { readEnvironment, type Variables, writeEnvironment } from "./env.ts";
import { readKeys, type Verdict, verifyFiles, verifyRaw } from "./verify.ts";

const fullCount = 3;
const mostLogBytes = 64 * 1_024;
/** A system that dies at once is started again at this pace. */
const resetMs = 200;

const { values, positionals } = parseArgs({
  options: {
    env: { type: "string", multiple: true },
    keys: { type: "string" },
    log: { type: "string" },
    files: { type: "string" },
    raw: { type: "string", multiple: true },
  },
  allowPositionals: true,
});
const copies = values.env ?? [];
const raw = new Map((values.raw ?? []).map((pair) => [pair[0], pair.slice(2)]));
if (copies.length !== 2 || values.keys === undefined || positionals.length === 0) {
  process.stderr.write("Needed: --env twice, --keys, --files or --raw, and the system's command after --.\n");
  process.exit(2);
}
const keys = readKeys(values.keys);

function say(event: string, fields: Record<string, unknown>): void {
  const { log } = values;
  if (log === undefined) return;
  if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) > mostLogBytes) renameSync(log, `${log}.1`);
  appendFileSync(log, `${JSON.stringify({ time: new Date().toISOString(), event, ...fields })}\n`);
}

const examine = (slot: string): Verdict =>
  values.files === undefined ? verifyRaw(raw.get(slot) ?? "", keys) : verifyFiles(values.files, slot, keys);

/** The slot to start now, counted; undefined where none may be. */
function choose(): { slot: string; version: string } | undefined {
  const variables: Variables = readEnvironment(copies);
  for (const name of (variables.get("BOOT_ORDER") ?? "A B").split(" ").filter((one) => one === "A" || one === "B")) {
    const [counter, slot] = [`BOOT_${name}_LEFT`, name.toLowerCase()];
    const left = Number(variables.get(counter) ?? fullCount);
    if (!(left > 0)) continue;
    const verdict = examine(slot);
    if (verdict.is === "bad") {
      say("refused", { slot, because: verdict.because });
      variables.set(counter, "0");
      writeEnvironment(copies, variables);
      continue;
    }
    // Counted before it is started: a start that was not counted could be repeated for ever.
    variables.set(counter, String(left - 1));
    writeEnvironment(copies, variables);
    say("start", { slot, version: verdict.version, left: left - 1 });
    return { slot, version: verdict.version };
  }
  return undefined;
}

/** As RAUC's script does when no try is left: all counts begin anew. Images that may not be started stay refused. */
function beginAnew(): { slot: string; version: string } | undefined {
  say("no_tries_left", {});
  const variables = readEnvironment(copies);
  for (const name of ["A", "B"]) variables.set(`BOOT_${name}_LEFT`, String(fullCount));
  writeEnvironment(copies, variables);
  return choose();
}

let child: ChildProcess | undefined;
let switchedOff = false;
for (const signal of ["SIGTERM", "SIGINT"] as const)
  process.on(signal, () => {
    switchedOff = true;
    child?.kill("SIGTERM");
  });

while (!switchedOff) {
  const chosen = choose() ?? beginAnew();
  if (chosen === undefined) {
    say("nothing_to_start", {});
    process.stderr.write("No slot holds an image that this boot loader may start.\n");
    process.exit(1);
  }
  const [program = "", ...args] = positionals.map((word) => word.replaceAll("{slot}", chosen.slot));
  const system = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });
  child = system;
  const end = await new Promise<string>((resolve) => {
    system.once("error", (error) => resolve(error.message));
    system.once("exit", (code, signal) => resolve(signal ?? `exit ${code}`));
  });
  child = undefined;
  say("ended", { slot: chosen.slot, how: end });
  if (!switchedOff) await pause(resetMs);
}
