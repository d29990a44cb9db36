import { randomUUID } from "node:crypto";
import { chooseSlot, otherSlot, type Running } from "@tenfold/device";
import type { Disk } from "../disk.ts";
import type { Installer } from "./port.ts";

/** File slots whose boot loader is a part of this process: for containers, and for trying out. */
export function inProcess(disk: Disk): Installer {
  return {
    slots: disk.slots,
    loadBoot: disk.loadBoot,
    saveBoot: disk.saveBoot,
    reboots: "here",
    close: disk.close,
    async start() {
      const before = await disk.loadBoot();
      const running = await bootLoader(disk);
      const { fellBack } = await disk.loadBoot();
      const news = fellBack !== undefined && fellBack.tag !== before.fellBack?.tag;
      return { running, bootLog: news ? `deployment ${fellBack.tag} was left: ${fellBack.because}` : undefined };
    },
  };
}

/** Counts the start before it happens, and starts nothing whose hash or signature is wrong. */
export async function bootLoader(disk: Disk): Promise<Running> {
  const before = await disk.loadBoot();
  const startable = {
    [before.good]: await disk.startable(before.good),
    [otherSlot(before.good)]: await disk.startable(otherSlot(before.good)),
  };
  const { record, slot } = chooseSlot(before, (candidate) => startable[candidate] === true);
  if (JSON.stringify(record) !== JSON.stringify(before)) await disk.saveBoot(record);
  const seal = slot && (await disk.sealOf(slot));
  if (slot === undefined || seal === undefined)
    throw new Error(`Neither slot in ${disk.folder} can be started: both images are damaged.`);
  const bootedAt = performance.now();
  if ("factory" in seal) return { slot, version: seal.factory, bootId: randomUUID(), bootedAt };
  const { version, artifact } = seal.release.signed;
  return { slot, version, hash: artifact.sha256, bootId: randomUUID(), bootedAt };
}
