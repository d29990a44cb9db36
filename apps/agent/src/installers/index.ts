import { deviceProblems, type Slot } from "@tenfold/device";
import type { AgentConfig } from "../config.ts";
import type { Disk } from "../disk.ts";
import { envBoot } from "./env-boot.ts";
import { inProcess } from "./in-process.ts";
import { machineBoot } from "./machine-boot.ts";
import type { Installer } from "./port.ts";
import { installationOf, installBundle, openRauc, raucBoot, raucSlot, readBack } from "./rauc.ts";
import { stagedSlots } from "./staging.ts";
import { runSwupdate } from "./swupdate.ts";
import { openUBootEnv } from "./u-boot-env.ts";

export type { Installer } from "./port.ts";

/** The installer that the configuration names. */
export async function openInstaller(config: AgentConfig, disk: Disk): Promise<Installer> {
  switch (config.installer ?? "files") {
    case "files":
      return config.boot === undefined ? inProcess(disk) : fileSlots(disk, { ...config.boot, log: config.bootLog });
    case "rauc":
      return rauc(config, disk);
    case "swupdate":
      return swupdate(config, disk);
  }
}

function fileSlots(disk: Disk, boot: NonNullable<AgentConfig["boot"]> & { log: string | undefined }): Installer {
  return machineBoot({
    folder: disk.folder,
    slots: { ...disk.slots, close: disk.close },
    control: envBoot(openUBootEnv(boot.env), boot.slot),
    record: { load: disk.loadBoot, save: disk.saveBoot },
    describe: (slot) => describeSeal(disk, slot),
    bootLog: boot.log,
  });
}

function rauc({ bus: address, bootLog }: AgentConfig, disk: Disk): Installer {
  const bus = openRauc(address);
  return machineBoot({
    folder: disk.folder,
    slots: stagedSlots({
      folder: disk.folder,
      extension: "raucb",
      install: (file, { onProgress }) => installBundle(bus, file, onProgress),
      uninstalled: (slot) => disk.noteSeal(slot, undefined),
      async installed(slot, release) {
        const found = await raucSlot(bus, slot);
        await readBack(found);
        await disk.noteSeal(slot, { release, installation: installationOf(found) });
      },
    }),
    control: raucBoot(bus),
    record: { load: disk.loadBoot, save: disk.saveBoot },
    async describe(slot) {
      const found = await raucSlot(bus, slot);
      const seal = await disk.sealOf(slot);
      const ours = seal && "release" in seal && seal.installation === installationOf(found) ? seal.release.signed : undefined;
      if (ours) return { version: ours.version, hash: ours.artifact.sha256 };
      // Somebody else installed what runs here: RAUC knows at least its version.
      const { "bundle.version": version } = found.say;
      if (typeof version === "string") return { version };
      return seal && "factory" in seal ? { version: seal.factory } : { version: "unknown" };
    },
    bootLog,
  });
}

/** SWUpdate only writes; the slots are switched in the boot loader's environment. */
function swupdate({ boot, bootLog, swupdate: settings = swupdateDefaults }: AgentConfig, disk: Disk): Installer {
  // The configuration was refused otherwise.
  if (boot === undefined) throw new Error("SWUpdate switches no slots: --boot-env and --boot-slot are needed with it.");
  const { folder } = disk;
  return machineBoot({
    folder,
    slots: stagedSlots({
      folder,
      extension: "swu",
      install: (file, { slot, onProgress }) => runSwupdate(settings, { slot, file, onProgress }),
      uninstalled: (slot) => disk.noteSeal(slot, undefined),
      installed: (slot, release) => disk.noteSeal(slot, { release }),
    }),
    control: envBoot(openUBootEnv(boot.env), boot.slot),
    record: { load: disk.loadBoot, save: disk.saveBoot },
    describe: (slot) => describeSeal(disk, slot),
    bootLog,
  });
}

const swupdateDefaults = { command: "swupdate -f /etc/swupdate.cfg", select: "stable,{slot}" };

async function describeSeal(disk: Disk, slot: Slot): Promise<{ version: string; hash?: string }> {
  const seal = await disk.sealOf(slot);
  if (seal === undefined)
    throw deviceProblems.device_memory_unreadable(
      `Slot ${slot} runs, and ${disk.folder}/slots/${slot}.json does not say what it is.`,
    );
  if ("factory" in seal) return { version: seal.factory };
  const { version, artifact } = seal.release.signed;
  return { version, hash: artifact.sha256 };
}
