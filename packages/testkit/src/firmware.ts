import { seededRandom } from "@tenfold/base";

/**
 * How pretend firmware behaves on the simulator's devices, as shares (0 to 1) of the devices that start it. Which devices are hit
 * follows from seed, device and version alone. The shares add up to at most 1; the other devices run it well.
 */
export type SimFirmware = {
  readonly version: string;
  /** Never speak again after the start. */
  readonly bricks?: number;
  /** Crash at every start, until the boot loader falls back. */
  readonly crashLoops?: number;
  /** Fail the self-test and fall back by themselves. */
  readonly fallsBack?: number;
  /** Lose their connection again and again. */
  readonly weakNetwork?: number;
  /** Report the old version although the new one runs. */
  readonly lies?: number;
  /** Take a megabyte of memory more each second. */
  readonly leaks?: number;
};

/** Bytes that the simulator's devices take for firmware: one line of JSON that says how it behaves, then noise to the wanted size. */
export function makeSimFirmware(firmware: SimFirmware, size = 65_536): Buffer {
  const head = Buffer.from(`${JSON.stringify({ tenfoldSim: firmware })}\n`);
  const chance = seededRandom(`${firmware.version}:${size}`);
  const noise = Buffer.alloc(Math.max(0, size - head.length));
  for (let i = 0; i < noise.length; i++) noise[i] = Math.floor(chance() * 256);
  return Buffer.concat([head, noise]);
}
