/** Runs beside the fuzzer in a thread of its own: an input that takes for ever is a death too. */
import { writeSync } from "node:fs";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { keepSeed } from "./seeds.ts";

const longestMs = 20_000;
const seedBytes = 200;

export type Watchdog = { trying(target: string, seed: string): void; stop(): Promise<unknown> };

/** From now on one input may take 20 s; then its seed is kept and the whole process ends. */
export function startWatchdog(): Watchdog {
  const memory = new SharedArrayBuffer(8 + seedBytes);
  const [beats, text] = [new Int32Array(memory, 0, 1), new Uint8Array(memory, 8)];
  const worker = new Worker(new URL(import.meta.url), { workerData: memory });
  return {
    trying(target, seed) {
      text.fill(0);
      new TextEncoder().encodeInto(`${target}\n${seed}`, text);
      Atomics.add(beats, 0, 1);
    },
    stop: () => worker.terminate(),
  };
}

if (!isMainThread) {
  // The fuzzer gives nothing else.
  const memory = workerData as SharedArrayBuffer;
  const [beats, text] = [new Int32Array(memory, 0, 1), new Uint8Array(memory, 8)];
  let seen = 0;
  setInterval(() => {
    const now = Atomics.load(beats, 0);
    if (now === seen) {
      const [target = "", seed = ""] = Buffer.from(text).toString("utf8").replaceAll("\0", "").split("\n");
      keepSeed(target, seed);
      writeSync(1, `✗ ${target}: no end after ${longestMs / 1_000} s with the seed "${seed}"\n`);
      process.kill(process.pid, "SIGKILL");
    }
    seen = now;
  }, longestMs);
}
