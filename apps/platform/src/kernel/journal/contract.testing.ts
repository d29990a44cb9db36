/** What every journal promises, whatever it stands on. Run by contract.test.ts on each side. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Problem } from "@tenfold/base";
import type { Batch, ConsumeOptions, Journal } from "./port.ts";

export type JournalWorld = AsyncDisposable & {
  /** Opens the same journal again, as the next process would. */
  open(limits?: { quotaBytes?: number; waitingBytes?: number }): Promise<Journal>;
  /** Lets go of a journal as a process does that dies: nothing is handed over. */
  abandon(journal: Journal): Promise<void>;
};

/** Keeps what it is given, once a token, as the column store does. */
export function tokenStore() {
  const batches = new Map<string, string[]>();
  const seen: string[] = [];
  /** Tokens that came again with other frames. Kept instead of thrown: the journal would try such a batch again for ever. */
  const violations: string[] = [];
  return {
    violations,
    seen,
    apply: async ({ token, frames }: Pick<Batch, "token" | "frames">) => {
      const texts = frames.map(String);
      const before = batches.get(token);
      if (before === undefined) {
        batches.set(token, texts);
        seen.push(...texts);
      } else if (before.join() !== texts.join()) violations.push(token);
    },
  };
}

export const consuming = (apply: ConsumeOptions["apply"], more: Partial<ConsumeOptions> = {}): ConsumeOptions => ({
  apply,
  cutAfterMs: 1,
  maxFrames: 50,
  maxBytes: 1 << 20,
  ...more,
});

const append = (journal: Journal, frames: readonly string[]) =>
  Promise.all(frames.map((frame) => journal.append(Buffer.from(frame))));

/** Registers the suite for one side; `begin` makes a journal of the test's own, empty. */
export function journalContract(side: string, begin: () => Promise<JournalWorld>, options: { skip?: string } = {}): void {
  const promise = (name: string, run: (world: JournalWorld) => Promise<void>) =>
    test(`${side}: ${name}`, { ...options, timeout: 60_000 }, async () => {
      await using world = await begin();
      await run(world);
    });

  promise("what is appended is applied, in order, once", async (world) => {
    const journal = await world.open();
    const store = tokenStore();
    const consumption = journal.consume(consuming(store.apply));
    const frames = Array.from({ length: 3_000 }, (_, i) => `frame-${i}`);
    for (let i = 0; i < frames.length; i += 100) await append(journal, frames.slice(i, i + 100));
    await consumption.caughtUp();
    assert.deepEqual(store.seen, frames);
    await journal.close();
  });

  promise(
    "a batch that was fixed and not applied comes again, unchanged and under its token, before anything new",
    async (world) => {
      const first = await world.open();
      const attempts: Batch[] = [];
      first.consume(
        consuming(async (batch, signal) => {
          attempts.push({ ...batch, frames: batch.frames.map((frame) => Buffer.from(frame)) });
          await once(signal, "abort"); // Applying takes until the process dies.
        }),
      );
      await append(first, ["a", "b", "c"]);
      while (attempts.length === 0) await new Promise(setImmediate);
      await append(first, ["d", "e"]);
      await world.abandon(first);

      const second = await world.open();
      const replayed: Batch[] = [];
      const consumption = second.consume(consuming(async (batch) => void replayed.push(batch), { maxFrames: 100 }));
      await consumption.caughtUp();
      assert.equal(replayed[0]?.token, attempts[0]?.token);
      assert.deepEqual([attempts[0]?.again, replayed[0]?.again, replayed[1]?.again], [false, true, false]);
      assert.deepEqual(replayed[0]?.frames.map(String), attempts[0]?.frames.map(String));
      assert.deepEqual(
        replayed.flatMap(({ frames }) => frames.map(String)),
        ["a", "b", "c", "d", "e"],
      );
      await second.close();
    },
  );

  promise("wherever processes die, nothing acknowledged is missing and nothing is doubled", async (world) => {
    const store = tokenStore();
    const acknowledged: string[] = [];
    for (let life = 0; life < 6; life++) {
      const journal = await world.open();
      let left = life * 2; // How many batches are applied before this life applies nothing more.
      const consumption = journal.consume(
        consuming(
          async (batch, signal) => {
            if (left-- <= 0 && life < 5) await once(signal, "abort");
            else await store.apply(batch);
            // Every other time it dies after the store has it and before anybody noted that.
            if (left <= 0 && life % 2 === 1 && life < 5) await once(signal, "abort");
          },
          { maxFrames: 7 },
        ),
      );
      for (let burst = 0; burst < 4; burst++) {
        const frames = Array.from({ length: 11 }, (_, i) => `${life}.${burst}.${i}`);
        await append(journal, frames);
        acknowledged.push(...frames);
      }
      if (life === 5) await consumption.caughtUp();
      await world.abandon(journal);
    }
    assert.deepEqual(store.violations, []);
    assert.deepEqual(store.seen, acknowledged);
  });

  promise("a batch that cannot be applied is tried again until it can, and those behind it wait", async (world) => {
    const journal = await world.open();
    const store = tokenStore();
    let failures = 2;
    const consumption = journal.consume(
      consuming(async (batch) => (failures-- > 0 ? Promise.reject(new Error("store is away")) : store.apply(batch)), {
        maxFrames: 2,
      }),
    );
    for (const frame of ["a", "b", "c", "d"]) await append(journal, [frame]);
    await consumption.caughtUp();
    assert.deepEqual(store.seen, ["a", "b", "c", "d"]);
    await journal.close();
  });

  promise("a frame beyond a mebibyte is refused", async (world) => {
    const journal = await world.open();
    await assert.rejects(journal.append(Buffer.alloc((1 << 20) + 1)), { code: "frame_too_large" });
    await journal.close();
  });

  promise("more bytes than may wait in memory are refused at once, and pressure is felt before", async (world) => {
    const journal = await world.open({ waitingBytes: 10_000 });
    assert.equal(journal.pressure(), "none");
    const many = Array.from({ length: 40 }, () => journal.append(Buffer.alloc(1_000)));
    assert.equal(journal.pressure(), "high");
    const busy = (await Promise.allSettled(many)).filter(
      (result) => result.status === "rejected" && result.reason instanceof Problem && result.reason.code === "journal_busy",
    );
    assert.ok(busy.length > 0);
    await journal.ready();
    await journal.append(Buffer.alloc(1_000));
    await journal.close();
  });

  promise("at its quota the journal refuses frames, and takes them again when batches are applied", async (world) => {
    const journal = await world.open({ quotaBytes: 64_000 });
    const frame = Buffer.alloc(4_000);
    await assert.rejects(
      async () => {
        for (let i = 0; i < 1_000; i++) await journal.append(frame);
      },
      { code: "journal_full" },
    );
    await journal.consume(consuming(async () => {})).caughtUp();
    await journal.append(frame);
    await journal.close();
  });

  promise("when it is closed, what waited is durable and nothing more is taken", async (world) => {
    const journal = await world.open();
    const waiting = append(journal, ["a", "b"]);
    await journal.close();
    await waiting;
    await assert.rejects(journal.append(Buffer.from("late")), { code: "journal_closed" });
    const next = await world.open();
    const store = tokenStore();
    await next.consume(consuming(store.apply)).caughtUp();
    assert.deepEqual(store.seen, ["a", "b"]);
    await next.close();
  });
}
