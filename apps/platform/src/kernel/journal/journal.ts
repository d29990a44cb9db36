import { mkdir } from "node:fs/promises";
import type { Log } from "../log.ts";
import { bytesBetween, type Consumer, startConsumer } from "./consumption.ts";
import { lockFolder } from "./lock.ts";
import type { Journal } from "./port.ts";
import { Recent } from "./recent.ts";
import { recover } from "./recover.ts";
import { type Disk, type JournalLimits, realDisk, startWriter, usualLimits } from "./writer.ts";

export type JournalOptions = {
  dir: string;
  log: Log;
  limits?: Partial<JournalLimits>;
  disk?: Disk;
  /** Called once, when nothing can be promised any more: the process must end. */
  onBroken?: (because: string) => void;
};

/** Opens the journal in `dir`, or begins one there. Rejects with `journal_locked` or `journal_damaged`. */
export async function openJournal({
  dir,
  log,
  limits: given,
  disk = realDisk,
  onBroken = () => {},
}: JournalOptions): Promise<Journal> {
  await mkdir(dir, { recursive: true });
  const unlock = await lockFolder(dir);
  const recovered = await recover(dir, log).catch(async (error: unknown) => {
    await unlock();
    throw error;
  });
  let consumer: Consumer | undefined;
  let unread = 0;
  const limits = { ...usualLimits, ...given };
  const recent = new Recent(limits.keptBytes);
  const writer = startWriter({
    dir,
    recovered,
    limits,
    disk,
    log,
    onBroken,
    onWritten(group) {
      recent.add(group);
      if (consumer) consumer.wrote(group.frames.length);
      else unread += group.frames.length;
    },
  });
  const closed = { promise: undefined as Promise<void> | undefined };
  const close = async () => {
    await consumer?.stop();
    await writer.close();
    await unlock();
  };
  return {
    id: recovered.id,
    append: (frame, kept) => writer.write("frame", frame, kept),
    pressure: () => (consumer?.behind() === undefined ? writer.pressure() : "high"),
    async ready() {
      await consumer?.behind();
      await writer.ready();
    },
    health() {
      const because = writer.broken();
      return because === undefined ? { is: "well" } : { is: "broken", because };
    },
    backlog() {
      const { frames, applied } = consumer?.backlog() ?? { frames: recovered.frames + unread, applied: recovered.applied };
      return { frames, bytes: frames === 0 ? 0 : bytesBetween(applied, writer.end(), writer.sizes) };
    },
    consume(options) {
      if (consumer) throw new Error("A journal has one consumer.");
      consumer = startConsumer(
        { dir, id: recovered.id, writer, recent, recovered: { ...recovered, frames: recovered.frames + unread }, log },
        options,
      );
      return consumer;
    },
    close: () => (closed.promise ??= close()),
  };
}
