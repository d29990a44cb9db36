import { hash32 } from "@tenfold/base";
import { z } from "zod";

const share = z.number().min(0).max(1).default(0);

const simFirmware = z
  .strictObject({
    version: z.string().min(1).max(64),
    bricks: share,
    crashLoops: share,
    fallsBack: share,
    weakNetwork: share,
    lies: share,
    leaks: share,
  })
  .refine(({ version: _, ...shares }) => Object.values(shares).reduce((sum, one) => sum + one, 0) <= 1 + 1e-9, {
    message: "the shares add up to more than 1",
  });
export type FirmwareBehaviour = z.infer<typeof simFirmware>;

/** What becomes of one device that starts one firmware. */
export type Fate = "runs" | "bricks" | "crashLoops" | "fallsBack" | "weakNetwork" | "lies" | "leaks";

export const longestHead = 1_024;

/**
 * Reads the first line of an image. An image without it is ordinary firmware, and runs well; one that starts like it and is wrong
 * throws, because a demo that quietly harms nobody would prove nothing.
 */
export function readBehaviour(head: Buffer): FirmwareBehaviour | undefined {
  const line = head.subarray(0, longestHead).toString("utf8").split("\n", 1)[0] ?? "";
  if (!line.startsWith('{"tenfoldSim":')) return undefined;
  return z.strictObject({ tenfoldSim: simFirmware }).parse(JSON.parse(line)).tenfoldSim;
}

/** Decided by seed, device and version for ever: the same device meets the same fate at every start. */
export function fateOf(behaviour: FirmwareBehaviour | undefined, { seed, device }: { seed: number; device: string }): Fate {
  if (behaviour === undefined) return "runs";
  let drawn = hash32(`${seed}:${device}:${behaviour.version}`) / 2 ** 32;
  for (const fate of ["bricks", "crashLoops", "fallsBack", "weakNetwork", "lies", "leaks"] as const) {
    drawn -= behaviour[fate];
    if (drawn < 0) return fate;
  }
  return "runs";
}
