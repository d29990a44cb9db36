import type { DevicePicture } from "./deps.ts";
import type { Firmware } from "./rollout.ts";

/** What a device's last verified boot proved, and the boots that were over by then; what is numbered below `seqFloor` was said before. */
export type Proof = Firmware & { boots: readonly string[]; seqFloor?: number };

/**
 * A device as it is. What is known of its newest heartbeat may be older than its last verified boot: it came late, or the registry, which takes
 * contacts in by itself, is behind. Then it says nothing of what runs now, what was proven holds, and which boot runs is not known.
 */
export function asProven<P extends DevicePicture>(picture: P, proof: Proof | undefined): P {
  if (proof === undefined || !isOlder(picture, proof)) return picture;
  const { bootId, firmware } = picture;
  const pastBoots = [...(picture.pastBoots ?? []), ...(bootId === undefined ? [] : [bootId])];
  const { version, hash } = proof;
  return {
    ...picture,
    bootId: undefined,
    pastBoots,
    firmware: { ...firmware, version, ...(hash === undefined ? {} : { hash }), state: "confirmed" },
  };
}

const isOlder = ({ bootId, seq }: DevicePicture, { boots, seqFloor }: Proof): boolean =>
  (bootId !== undefined && boots.includes(bootId)) || (seq !== undefined && seqFloor !== undefined && seq < seqFloor);
