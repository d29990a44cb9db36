import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import type { Mutant } from "./mutants.ts";
import type { Outcome } from "./world.ts";

type Simulate = (seed: string) => Promise<Outcome>;

const folder = new URL("../", import.meta.url).href;
const world = new URL("./world.ts", import.meta.url).href;

/**
 * The simulation over the controller with one bug in it: the same sources, loaded a second time under a name of their own, with one text
 * replaced on the way from the disk to the engine. Nothing on the disk changes.
 */
export async function simulatorWith({ name, file, find, put }: Mutant): Promise<Simulate> {
  const mark = `?mutant=${encodeURIComponent(name)}`;
  let planted = 0;
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      const inside = context.parentURL?.endsWith(mark) && found.url.startsWith(folder) && !found.url.includes("?");
      return inside ? { ...found, url: `${found.url}${mark}` } : found;
    },
    load(url, context, next) {
      const loaded = next(url, context);
      if (!url.endsWith(mark) || fileURLToPath(url.slice(0, -mark.length)) !== fileURLToPath(new URL(file, folder))) return loaded;
      const source = Buffer.from(loaded.source as Uint8Array).toString("utf8");
      const parts = source.split(find);
      if (parts.length !== 2) throw new Error(`"${find}" stands ${parts.length - 1} times in ${file}: mend the mutant "${name}"`);
      planted += 1;
      return { ...loaded, source: parts.join(put) };
    },
  });
  try {
    const { simulate } = (await import(`${world}${mark}`)) as { simulate: Simulate };
    if (planted !== 1) throw new Error(`${file} is not part of the simulation: mend the mutant "${name}"`);
    return simulate;
  } finally {
    hooks.deregister();
  }
}

export type Hunt = { name: string; found: "yes" | "no"; seeds: number; ms: number; because: string };

/** Runs seeds until the bug shows. */
export async function hunt(mutant: Mutant, mostSeeds: number): Promise<Hunt> {
  const simulate = await simulatorWith(mutant);
  const began = performance.now();
  for (let seed = 0; seed < mostSeeds; seed++) {
    const { broken } = await simulate(`hunt-${seed}`);
    if (broken[0] !== undefined)
      return { name: mutant.name, found: "yes", seeds: seed + 1, ms: performance.now() - began, because: broken[0] };
  }
  return { name: mutant.name, found: "no", seeds: mostSeeds, ms: performance.now() - began, because: "" };
}
