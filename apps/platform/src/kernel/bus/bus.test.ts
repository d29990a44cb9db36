import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { findNatsServer, type NatsServer, startNatsServer } from "@tenfold/testkit";
import pg from "pg";
import { systemClock } from "../clock.ts";
import { silentLog } from "../log.ts";
import { openNats } from "../nats/index.ts";
import { throwAwayDatabase } from "../testing.ts";
import { type Bus, type BusMessage, createBus } from "./bus.ts";
import { packItems } from "./envelope.ts";
import { natsWire } from "./nats-wire.ts";
import { postgresWire } from "./postgres-wire.ts";
import type { BusWire } from "./wire.ts";

/** Something that carries a bus, and a way to break the connections for a while. */
type Carrier = AsyncDisposable & { wire(): Promise<BusWire>; cut(): Promise<void> };

async function overPostgres(): Promise<Carrier> {
  const database = await throwAwayDatabase();
  const wires: BusWire[] = [];
  return {
    async wire() {
      const wire = await postgresWire({ url: database.url, log: silentLog });
      wires.push(wire);
      return wire;
    },
    async cut() {
      const admin = new pg.Client({ connectionString: database.url });
      await admin.connect();
      await admin.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tenfold bus' and datname = current_database()",
      );
      await admin.end();
    },
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
    },
  };
}

const binary = findNatsServer();
let servers: NatsServer[] = [];
after(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
  servers = [];
});

async function overNats(): Promise<Carrier> {
  const server = await startNatsServer(binary ?? "");
  servers.push(server);
  return {
    async wire() {
      const nats = await openNats({ url: server.url, log: silentLog });
      const wire = natsWire({ nats, prefix: "tenfold" });
      return {
        ...wire,
        async close() {
          await wire.close();
          await nats.close();
        },
      };
    },
    async cut() {
      await server.kill();
      await server.start();
    },
    async [Symbol.asyncDispose]() {},
  };
}

const carriers = { PostgreSQL: overPostgres, NATS: overNats } as const;
const lifecycle = (subject: string): BusMessage => ({
  type: "device.lifecycle_changed",
  subject,
  data: { lifecycle: "suspended" },
});

/** Resolves when `holds` does; the test's own time limit is the deadline. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await pause(5);
}

for (const [name, begin] of Object.entries(carriers)) {
  const options = {
    timeout: 30_000,
    ...(name === "NATS" && binary === undefined ? { skip: "no nats-server here: install the Debian package nats-server" } : {}),
  };
  const promise = (what: string, run: (world: { a: Bus; b: Bus; carrier: Carrier }) => Promise<void>) =>
    test(`over ${name}: ${what}`, options, async () => {
      await using carrier = await begin();
      const [a, b] = [createBus(systemClock, await carrier.wire()), createBus(systemClock, await carrier.wire())];
      try {
        await run({ a, b, carrier });
      } finally {
        await a.close();
        await b.close();
      }
    });

  promise("what one process publishes all hear once and in order, and know where it happened", async ({ a, b }) => {
    const heard: Record<string, string[]> = { a: [], b: [] };
    a.subscribe((event, origin) => heard.a?.push(`${event.subject} ${origin}`));
    b.subscribe((event, origin) => heard.b?.push(`${event.subject} ${origin}`));
    for (let i = 0; i < 200; i++) a.publish(lifecycle(`dev-${i}`));
    await until(() => heard.b?.length === 200);
    await pause(50);
    assert.deepEqual(
      heard.a,
      Array.from({ length: 200 }, (_, i) => `dev-${i} here`),
    );
    assert.deepEqual(
      heard.b,
      Array.from({ length: 200 }, (_, i) => `dev-${i} elsewhere`),
    );
  });

  promise("a hint reaches the others and not its sender, and browsers never see it", async ({ a, b }) => {
    const heard: unknown[] = [];
    a.onHint("links.pull", () => assert.fail("a process heard its own hint"));
    b.onHint("links.pull", (body) => void heard.push(body));
    b.subscribe(() => assert.fail("a hint was shown as an event"));
    a.hint("links.pull", { device: "pump-1" });
    await until(() => heard.length === 1);
    assert.deepEqual(heard, [{ device: "pump-1" }]);
  });

  promise("an event larger than the wire carries comes as a notice without its data", async ({ a, b }) => {
    const heard: [string, number][] = [];
    b.subscribe(({ subject, data }) => void heard.push([subject, Object.keys(data).length]));
    a.publish({ type: "telemetry.stored", subject: "pump-1", data: { text: "x".repeat(600_000) } });
    a.publish(lifecycle("pump-2"));
    await until(() => heard.length === 2);
    assert.deepEqual(heard, [
      ["pump-1", 0],
      ["pump-2", 1],
    ]);
  });

  promise("what is lost while the connection is down is noticed, and later messages come", async ({ a, b, carrier }) => {
    let gaps = 0;
    const heard: string[] = [];
    b.onGap(() => {
      gaps += 1;
    });
    b.subscribe(({ subject }) => void heard.push(subject));
    a.publish(lifecycle("before"));
    await until(() => heard.length === 1);
    await pause(1_100);
    const before = gaps;
    await carrier.cut();
    a.publish(lifecycle("meanwhile"));
    await pause(20);
    await until(() => a.connected() && b.connected());
    await until(() => {
      a.publish(lifecycle("after"));
      return heard.includes("after");
    });
    // Whether "meanwhile" got through is chance; either it was heard, or that it was not.
    await until(() => heard.includes("meanwhile") || gaps > before);
  });

  promise("stamps follow what was heard, however far behind a clock is", async ({ a, carrier }) => {
    const late = createBus({ now: () => Date.now() - 60_000 }, await carrier.wire());
    try {
      const heard = Promise.withResolvers<void>();
      late.onHint("opened", () => heard.resolve());
      const first = a.stamp();
      a.hint("opened", { at: first });
      await heard.promise;
      assert.ok(late.stamp() > first);
    } finally {
      await late.close();
    }
  });
}

test("without a wire the bus is this process's own", () => {
  const bus = createBus(systemClock);
  const heard: string[] = [];
  bus.subscribe((event, origin) => void heard.push(`${event.subject} ${origin}`));
  bus.hint("links.pull", {});
  bus.publish(lifecycle("dev-1"));
  assert.deepEqual(heard, ["dev-1 here"]);
  assert.ok(bus.connected());
});

test("items travel in order, in as few envelopes as fit", () => {
  const items = Array.from({ length: 100 }, (_, i) => ({ is: "hint" as const, topic: "t", body: { i, pad: "x".repeat(i) } }));
  const packed = packItems(items, 1_000);
  assert.deepEqual(packed.flat(), items);
  for (const some of packed) assert.ok(JSON.stringify({ items: some }).length < 1_000);
  assert.ok(packed.length < 15);
});
