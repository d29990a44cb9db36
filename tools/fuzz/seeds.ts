import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const fileOf = (target: string) => join(import.meta.dirname, "seeds", `${target}.txt`);

/** Inputs that once failed, oldest first: they are tried before all others, for ever. */
export function keptSeeds(target: string): string[] {
  const file = fileOf(target);
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter(Boolean);
}

export function keepSeed(target: string, seed: string): void {
  if (!keptSeeds(target).includes(seed)) appendFileSync(fileOf(target), `${seed}\n`);
}
