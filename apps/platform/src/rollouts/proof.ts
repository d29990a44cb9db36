import type { DevicePicture } from "./deps.ts";
import type { Firmware } from "./rollout.ts";

/** What a device's last verified boot proved, and the boots that were over by then. */
export type Proof = Firmware & { boots: readonly string[] };

/**
 * A device as it is. What is known of its newest heartbeat may be older than its last verified boot, because contacts are taken in by others and
 * may be behind: a boot that was over by then says nothing of what runs now, and what was proven holds. Its boot is not known then.
 */
export function asProven<P extends DevicePicture>(picture: P, proof: Proof | undefined): P {
  const { bootId } = picture;
  if (proof === undefined || bootId === undefined || !proof.boots.includes(bootId)) return picture;
  const { boots: _over, ...firmware } = proof;
  return {
    ...picture,
    bootId: undefined,
    pastBoots: [...(picture.pastBoots ?? []), bootId],
    firmware: { ...picture.firmware, ...firmware, state: "confirmed" },
  };
}
