import { createHash, type Hash } from "node:crypto";
import type { SignedRelease } from "@tenfold/contracts";
import type { Slot, Slots } from "@tenfold/device";
import { type PublicKey, verifyRelease } from "@tenfold/ota";
import { longestHead } from "../firmware.ts";

/**
 * What a pretend slot keeps of an image: its size, its hash and its first bytes. A thousand devices with two images each would not fit
 * into memory otherwise; every byte still comes over the network and goes through the hash.
 */
export type PretendImage = { size: number; sha256: string; head: string; release?: SignedRelease };

type Writing = { size: number; hash: Hash; head: Buffer; release?: SignedRelease };

export type PretendSlots = Slots & {
  /** Finished images, to be saved. */
  images(): Partial<Record<Slot, PretendImage>>;
  image(slot: Slot): PretendImage | undefined;
  startable(slot: Slot): boolean;
};

export function createPretendSlots(
  saved: Partial<Record<Slot, PretendImage>>,
  /** Whose signature the boot loader asks for. */
  bootKeys: () => readonly PublicKey[],
): PretendSlots {
  const finished: Partial<Record<Slot, PretendImage>> = { ...saved };
  const writing: Partial<Record<Slot, Writing>> = {};
  const sizeOf = (slot: Slot) => writing[slot]?.size ?? finished[slot]?.size ?? 0;
  const digest = (slot: Slot) => {
    const open = writing[slot];
    return open
      ? { sha256: open.hash.copy().digest("hex"), size: open.size }
      : { sha256: finished[slot]?.sha256 ?? "", size: sizeOf(slot) };
  };
  return {
    async erase(slot) {
      delete finished[slot];
      writing[slot] = { size: 0, hash: createHash("sha256"), head: Buffer.alloc(0) };
    },
    // A running hash cannot be cut short: what does not fit exactly is downloaded anew.
    keep: async (slot, bytes) => (writing[slot]?.size === bytes ? bytes : 0),
    async append(slot, chunk) {
      const open = writing[slot];
      if (open === undefined) throw new Error(`Slot ${slot} was not erased before it was written.`);
      open.hash.update(chunk);
      open.size += chunk.byteLength;
      if (open.head.length < longestHead) open.head = Buffer.concat([open.head, chunk]).subarray(0, longestHead);
    },
    flush: async () => {},
    digest: async (slot) => digest(slot),
    async install(slot, release) {
      const open = writing[slot];
      const head = open ? open.head.toString("latin1") : (finished[slot]?.head ?? "");
      finished[slot] = { ...digest(slot), head, release };
      delete writing[slot];
    },
    images: () => finished,
    image: (slot) => finished[slot],
    startable(slot) {
      const image = finished[slot];
      // The factory's own image was there before anybody signed anything.
      if (image?.release === undefined) return image !== undefined;
      return (
        image.sha256 === image.release.signed.artifact.sha256 &&
        verifyRelease(image.release, { trustedKeys: bootKeys() }).is === "trusted"
      );
    },
  };
}
