import { otherSlot, type Slot } from "@tenfold/device";
import type { BootControl } from "./port.ts";
import type { UBootEnv } from "./u-boot-env.ts";

/** Tries of one slot, as RAUC's U-Boot script counts them. */
const fullCount = "3";
const nameOf = (slot: Slot): "A" | "B" => (slot === "a" ? "A" : "B");
const order = (first: Slot): string => `${nameOf(first)} ${nameOf(otherSlot(first))}`;
const counter = (slot: Slot): string => `BOOT_${nameOf(slot)}_LEFT`;

/** A boot loader that follows BOOT_ORDER, BOOT_A_LEFT and BOOT_B_LEFT in U-Boot's environment. `booted` is what it told the system. */
export function envBoot(env: UBootEnv, booted: Slot): BootControl {
  return {
    booted: async () => booted,
    tryNext: (slot) => env.set({ BOOT_ORDER: order(slot), [counter(slot)]: fullCount }),
    markGood: (slot) => env.set({ BOOT_ORDER: order(slot), [counter(slot)]: fullCount }),
    markBad: (slot) => env.set({ BOOT_ORDER: order(otherSlot(slot)), [counter(slot)]: "0" }),
  };
}
