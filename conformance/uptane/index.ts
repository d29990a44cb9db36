import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { providePython, tufPackages } from "../../tools/third-party/python.ts";
import { suiteKey } from "./dialect.ts";
import { type Judgement, judge, withoutFault } from "./judge.ts";
import { type Player, play, type Vector } from "./play.ts";
import type { OldStep } from "./translate.ts";

type Counts = { passed: number; failed: number; excluded: number; skipped: number; because?: string };

const device = "vector-device";
const model = "vector-board";
const spareKey = 9;

/**
 * Plays the vectors of uptane/tuf-test-vectors (not part of this repository), translated into today's form, to the verifier of devices.
 * `TENFOLD_TEST_UPTANE_VECTORS` names the folder with a checkout of it.
 */
export async function run(): Promise<Counts> {
  const suite = process.env.TENFOLD_TEST_UPTANE_VECTORS;
  if (suite === undefined || !existsSync(join(suite, "tuf_vectors")))
    return skip("TENFOLD_TEST_UPTANE_VECTORS names no checkout of github.com/uptane/tuf-test-vectors");
  const found = providePython("tuf", tufPackages);
  if ("missing" in found) return skip(found.missing);
  const player = playerOf(suite);
  const counts = { passed: 0, failed: 0, excluded: 0, skipped: 0 };
  const vectors = vectorsOf(suite, found.python);
  const honest = vectors.find(({ name }) => name === "simple")?.steps[0];
  if (honest === undefined) throw new Error("The suite has no simple case.");
  for (const vector of vectors) {
    const judgement = await judged(vector, honest, player);
    counts[judgement.is] += 1;
    console.log(`${judgement.is} ${vector.name}: ${describe(judgement)}`);
  }
  return counts;
}

/** A refusal counts only where the same device installs once the fault alone is gone. */
async function judged(vector: Vector, honest: OldStep, player: Player): Promise<Judgement> {
  const judgement = judge(vector, await play(vector, player));
  const control = withoutFault(vector, honest);
  const last = control && (await play(control, player)).at(-1);
  if (judgement.is === "failed" || last === undefined || last.is === "installed") return judgement;
  return { is: "failed", detail: `without its fault it is refused, too: ${last.because}: ${last.detail}` };
}

function playerOf(suite: string): Player {
  const all = Array.from({ length: 10 }, (_, n) => suiteKey(readFileSync(join(suite, "keys", `ed25519-${n}.priv`), "utf8")));
  const spare = all[spareKey];
  if (spare === undefined) throw new Error("The suite has ten keys of each kind.");
  return { keys: new Map(all.map((key) => [key.oldId, key])), spare, device, model, now: Date.now() };
}

/** What the suite's own generator makes. It also wants a folder to write into, and writes nothing here. */
function vectorsOf(suite: string, python: string): Vector[] {
  const folder = mkdtempSync(join(tmpdir(), "tenfold-uptane-"));
  try {
    const words = ["-B", resolve("conformance/uptane/dump.py"), resolve(suite), device, model, folder];
    const { status, stdout, stderr } = spawnSync(python, words, { encoding: "utf8", maxBuffer: 1 << 28, timeout: 120_000 });
    if (status !== 0) throw new Error(`The vectors could not be made: ${stderr.slice(-2_000)}`);
    // The dump's own form, as dump.py writes it.
    return JSON.parse(stdout) as Vector[];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function describe(judgement: Judgement): string {
  if (judgement.is === "passed") return judgement.endings.join(", then ");
  return judgement.is === "failed" ? judgement.detail : judgement.why;
}

function skip(because: string): Counts {
  console.log(`skipped: ${because}`);
  return { passed: 0, failed: 0, excluded: 0, skipped: 1, because };
}
