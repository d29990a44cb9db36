import assert from "node:assert/strict";
import { test } from "node:test";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { canSyncAlways, findNatsServer, startNatsServer } from "@tenfold/testkit";
import fc from "fast-check";
import { silentLog } from "../../log.ts";
import { demandDurable, openNats } from "../../nats/index.ts";
import { consuming, tokenStore } from "../contract.testing.ts";
import { openStreamJournal } from "./journal.ts";
import { packed, unpack } from "./packing.ts";

const binary = findNatsServer();
const withServer = {
  timeout: 60_000,
  ...(binary === undefined ? { skip: "no nats-server here: install the Debian package nats-server" } : {}),
};
const limits = { quotaBytes: 1 << 26, takeOverMs: 400 };

test("NATS killed and started again in mid-stream: what was acknowledged is applied, once and in order", withServer, async () => {
  await using server = await startNatsServer(binary ?? "");
  const nats = await openNats({ url: server.url, log: silentLog });
  const journal = await openStreamJournal({ nats, log: silentLog, limits });
  const store = tokenStore();
  const consumption = journal.consume(consuming(store.apply, { cutAfterMs: 20 }));
  const acknowledged: string[] = [];
  const send = async (from: number) => {
    for (let i = from; i < from + 300; i++) {
      await journal.append(Buffer.from(`frame-${i}`));
      acknowledged.push(`frame-${i}`);
    }
  };
  const sending = [send(0), send(1_000), send(2_000)];
  for (let round = 0; round < 3; round++) {
    const before = acknowledged.length;
    while (acknowledged.length < Math.min(before + 50, 900)) await new Promise((resolve) => setTimeout(resolve, 5));
    await server.kill();
    await server.start();
  }
  await Promise.all(sending);
  await consumption.caughtUp();
  assert.deepEqual(store.violations, []);
  assert.deepEqual([...store.seen].sort(), [...acknowledged].sort());
  await journal.close();
  await nats.close();
});

test("of two intakes one applies, and when it dies the other goes on with the same batch", withServer, async () => {
  await using server = await startNatsServer(binary ?? "");
  const open = async () => {
    const nats = await openNats({ url: server.url, log: silentLog });
    return { nats, journal: await openStreamJournal({ nats, log: silentLog, limits }) };
  };
  const [first, second] = [await open(), await open()];
  const store = tokenStore();
  const by = { first: 0, second: 0 };
  const counted = (who: "first" | "second") =>
    consuming((batch) => {
      by[who] += 1;
      return store.apply(batch);
    });
  first.journal.consume(counted("first"));
  await first.journal.append(Buffer.from("a"));
  while (by.first === 0) await new Promise(setImmediate);
  const standby = second.journal.consume(counted("second"));
  await second.journal.append(Buffer.from("b"));
  await standby.caughtUp();
  assert.equal(by.second, 0);
  await first.nats.connection.close();
  await second.journal.append(Buffer.from("c"));
  await standby.caughtUp();
  assert.ok(by.second > 0);
  assert.deepEqual(store.seen, ["a", "b", "c"]);
  assert.deepEqual(store.violations, []);
  for (const { journal, nats } of [first, second]) {
    await journal.close();
    await nats.close();
  }
});

test(
  "servers of devices are made to wait for a slow store behind another process, and not for one that is down",
  withServer,
  async () => {
    await using server = await startNatsServer(binary ?? "");
    const open = async () => {
      const nats = await openNats({ url: server.url, log: silentLog });
      return { nats, journal: await openStreamJournal({ nats, log: silentLog, limits: { ...limits, freeBytes: 10_000 } }) };
    };
    const [links, intake] = [await open(), await open()];
    const until = async (pressure: "none" | "high") => {
      while (links.journal.pressure() !== pressure) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    let work: () => Promise<unknown> = () => new Promise((resolve) => setTimeout(resolve, 100));
    const consumption = intake.journal.consume(consuming(async () => void (await work()), { maxBytes: 1_000 }));
    // Ten a second of four hundred: forty seconds to go.
    for (let i = 0; i < 400; i++) await links.journal.append(Buffer.alloc(1_000));
    await until("high");
    const waits = links.journal.ready();
    work = () => Promise.reject(new Error("the store is away"));
    await waits;
    assert.equal(links.journal.pressure(), "none");
    work = () => Promise.resolve();
    await consumption.caughtUp();
    assert.equal(links.journal.pressure(), "none");
    for (const { journal, nats } of [links, intake]) {
      await journal.close();
      await nats.close();
    }
  },
);

test("a batch whose process dies three times while applying it is the same batch each time", withServer, async () => {
  await using server = await startNatsServer(binary ?? "");
  const tries: string[] = [];
  for (let life = 0; life < 4; life++) {
    const nats = await openNats({ url: server.url, log: silentLog });
    const journal = await openStreamJournal({ nats, log: silentLog, limits });
    const store = tokenStore();
    const consumption = journal.consume(
      consuming(async ({ token, frames }, signal) => {
        tries.push(`${token} ${frames.map(String).join()}`);
        if (life < 3) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        await store.apply({ token, frames });
      }),
    );
    if (life === 0) await Promise.all(["a", "b"].map((frame) => journal.append(Buffer.from(frame))));
    if (life < 3) while (tries.length <= life) await new Promise((resolve) => setTimeout(resolve, 5));
    else await consumption.caughtUp();
    await nats.connection.close();
    await journal.close();
  }
  assert.equal(tries.length, 4);
  assert.equal(new Set(tries).size, 1);
});

test("a stream that was deleted and made again gives its batches other tokens", withServer, async () => {
  await using server = await startNatsServer(binary ?? "");
  const nats = await openNats({ url: server.url, log: silentLog });
  const tokens: string[] = [];
  for (let life = 0; life < 2; life++) {
    const journal = await openStreamJournal({ nats, log: silentLog, limits });
    const consumption = journal.consume(consuming(async ({ token }) => void tokens.push(token)));
    await journal.append(Buffer.from("a"));
    await consumption.caughtUp();
    await journal.close();
    await (await jetstreamManager(nats.connection)).streams.delete("TENFOLD_INTAKE");
  }
  assert.equal(tokens.length, 2);
  assert.notEqual(tokens[0], tokens[1]);
  await nats.close();
});

test("a damaged message stops the intake, which names it, and what is behind it is not skipped", withServer, async () => {
  await using server = await startNatsServer(binary ?? "");
  const nats = await openNats({ url: server.url, log: silentLog });
  const errors: string[] = [];
  const log = {
    ...silentLog,
    error: (_event: string, fields?: Record<string, unknown>) => void errors.push(String(fields?.because)),
  };
  const journal = await openStreamJournal({ nats, log, limits });
  await jetstream(nats.connection).publish("tenfold.intake", Buffer.from("no record"));
  await journal.append(Buffer.from("behind it"));
  const store = tokenStore();
  journal.consume(consuming(store.apply));
  while (errors.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.match(errors[0] ?? "", /Message 1 of the stream TENFOLD_INTAKE is damaged/);
  assert.deepEqual(store.seen, []);
  await journal.close();
  await nats.close();
});

test("NATS is refused unless it is known to sync its disk before it acknowledges", withServer, async () => {
  await using lazy = await startNatsServer(binary ?? "", { sync: false });
  const demand = (monitors: string[], sync: "verified" | "trusted" = "verified") =>
    demandDurable({ sync, monitors, log: silentLog });
  await assert.rejects(demand([lazy.monitorUrl]), { code: "nats_not_durable" });
  await assert.rejects(demand([]), { code: "nats_durability_unknown" });
  await assert.rejects(demand(["http://127.0.0.1:9"]), { code: "nats_durability_unknown" });
  await demand([], "trusted");
  if (!canSyncAlways(binary ?? "")) return;
  await using eager = await startNatsServer(binary ?? "", { sync: true });
  await demand([eager.monitorUrl]);
  await assert.rejects(demand([eager.monitorUrl, lazy.monitorUrl]), { code: "nats_not_durable" });
});

test("an address that nobody answers is named without its password", async () => {
  await assert.rejects(openNats({ url: "nats://me:secret@127.0.0.1:9", log: silentLog }), (error: Error & { code?: string }) => {
    assert.equal(error.code, "nats_unreachable");
    assert.match(error.message, /127\.0\.0\.1:9/);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
});

test("a message is read as exactly the frames that were packed, or not at all", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 12 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (frames, at, flip) => {
        const message = Buffer.concat(frames.map(packed));
        assert.deepEqual(
          unpack(message)?.map(String),
          frames.map((frame) => String(Buffer.from(frame))),
        );
        if (message.length === 0) return;
        assert.equal(unpack(message.subarray(0, message.length - 1)), undefined);
        const place = at % message.length;
        message[place] = (message[place] ?? 0) ^ flip;
        assert.equal(unpack(message), undefined);
      },
    ),
  );
});
