import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { deviceProblems, type Slot } from "@tenfold/device";
import { z } from "zod";
import { type Bus, openBus } from "./busctl.ts";
import type { BootControl } from "./port.ts";

/** RAUC's service on D-Bus (`de.pengutronix.rauc.Installer`, rauc.readthedocs.io "D-Bus API"). Slots: the one with bootname A is ours a. */
export const openRauc = (address: string | undefined): Bus =>
  openBus({ address, service: "de.pengutronix.rauc", object: "/", interface: "de.pengutronix.rauc.Installer" });

const look = 300;
const installMs = 3_600_000;

const variant = z.object({ data: z.unknown() }).transform(({ data }) => data);
const slotStatus = z.array(z.tuple([z.string(), z.record(z.string(), variant)]));

export type RaucSlot = { readonly name: string; readonly bootname: string; readonly say: Readonly<Record<string, unknown>> };

/** The slots that a boot loader starts. */
export async function slotsOf(bus: Bus): Promise<RaucSlot[]> {
  const [status] = await bus.call("GetSlotStatus");
  return slotStatus
    .parse(status)
    .flatMap(([name, say]) => (typeof say.bootname === "string" ? [{ name, bootname: say.bootname, say }] : []));
}

/** A boot loader behind RAUC: it is told by marks, and counts by itself. */
export function raucBoot(bus: Bus): BootControl {
  const nameOf = async (slot: Slot): Promise<string> => (await raucSlot(bus, slot)).name;
  return {
    async booted() {
      const name = await bus.property("BootSlot");
      const slot = slotOfBootname(name);
      if (slot === undefined)
        throw deviceProblems.install_failed(`RAUC says that ${String(name)} was booted; A or B are known here.`);
      return slot;
    },
    tryNext: async (slot) => void (await bus.call("Mark", "ss", "active", await nameOf(slot))),
    async markGood(slot) {
      const name = await nameOf(slot);
      await bus.call("Mark", "ss", "good", name);
      // After a fall back the slot that was left may still stand first; on a new device none does, which RAUC calls an error.
      const [primary] = await bus.call("GetPrimary").catch(() => [undefined]);
      if (primary !== name) await bus.call("Mark", "ss", "active", name);
    },
    markBad: async (slot) => void (await bus.call("Mark", "ss", "bad", await nameOf(slot))),
  };
}

const slotOfBootname = (name: unknown): Slot | undefined => (name === "A" ? "a" : name === "B" ? "b" : undefined);

export async function raucSlot(bus: Bus, slot: Slot): Promise<RaucSlot> {
  const found = (await slotsOf(bus)).find(({ bootname }) => slotOfBootname(bootname) === slot);
  if (found === undefined) throw deviceProblems.install_failed(`RAUC has no slot with bootname ${slot.toUpperCase()}.`);
  return found;
}

/** What RAUC says of an installation into a slot; another one later has another word. Undefined where RAUC installed nothing there. */
export function installationOf({ say }: RaucSlot): string | undefined {
  const { sha256, "installed.timestamp": at, "installed.count": count } = say;
  return typeof sha256 === "string" ? `${sha256} ${String(at)} ${String(count)}` : undefined;
}

/** Installs a bundle. What RAUC would refuse is asked first, so that the refusal has a reason and not only a sentence. */
export async function installBundle(bus: Bus, file: string, onProgress: (share: number) => void): Promise<void> {
  const ours = await bus.property("Compatible").catch((cause: unknown) => {
    throw deviceProblems.install_failed("RAUC does not answer.", { cause });
  });
  // It checks the signature before it looks inside, and says no more than no.
  const read = await bus.call("Info", "s", file).catch(() => undefined);
  if (read !== undefined && read[0] !== ours)
    throw deviceProblems.install_incompatible(`The bundle is made for "${String(read[0])}"; this is "${String(ours)}".`);
  await untilIdle(bus, () => {});
  await bus.call("InstallBundle", "sa{sv}", file, "0");
  await untilIdle(bus, onProgress);
  const error = await bus.property("LastError");
  if (error === "") return;
  if (read === undefined) throw deviceProblems.install_untrusted(`RAUC does not trust the bundle: ${String(error)}`);
  throw deviceProblems.install_failed(`RAUC could not install the bundle: ${String(error)}`);
}

/** Asks instead of listening for `Completed`: an agent that was started anew meanwhile finds out all the same. */
async function untilIdle(bus: Bus, onProgress: (share: number) => void): Promise<void> {
  for (const deadline = performance.now() + installMs; (await bus.property("Operation")) !== "idle"; await pause(look)) {
    if (performance.now() > deadline) throw deviceProblems.install_failed("RAUC was not done within an hour.");
    const [percent] = z.tuple([z.number(), z.string(), z.number()]).parse(await bus.property("Progress"));
    onProgress(percent / 100);
  }
}

/** Reads a slot back that holds the image byte for byte, and compares it with what RAUC says it wrote. */
export async function readBack({ say }: RaucSlot): Promise<void> {
  const { type, device, size, sha256 } = say;
  if (type !== "raw" || typeof device !== "string" || typeof size !== "number" || size === 0) return;
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(device, { end: size - 1 })) hash.update(chunk);
  if (hash.digest("hex") !== sha256) throw deviceProblems.install_failed(`${device} does not hold what RAUC wrote there.`);
}
