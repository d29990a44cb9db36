import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import type { DeviceEvent } from "@tenfold/contracts";
import { type CrashArtifact, deviceProblems, type Running } from "@tenfold/device";
import { openWitness } from "../src/crashes/witness.ts";
import { interfacesIn, sumOf } from "../src/signals.ts";

type Sent = { kind: string; text: string; version: string | undefined; bootId: string | undefined };

async function scene() {
  const root = await mkdtemp(join(tmpdir(), "tenfold-crashes-"));
  const time = { now: Date.now(), mono: 0 };
  const sent: Sent[] = [];
  const events: DeviceEvent[] = [];
  let answer: "stored" | "refused" | "down" = "stored";
  const send = async ({ kind, open, version, bootId }: CrashArtifact) => {
    if (answer === "down") throw deviceProblems.crash_not_taken("Nobody is there.", { retryAfterS: 30 });
    sent.push({ kind, text: (await buffer(open())).toString(), version, bootId });
    return answer;
  };
  return {
    sent,
    events,
    send,
    time,
    cores: join(root, "cores"),
    folder: join(root, "crashes"),
    setAnswer: (next: typeof answer) => {
      answer = next;
    },
    /** A start of the agent's process. */
    open: (maxBytes = 1_000) =>
      openWitness({
        folder: join(root, "crashes"),
        places: [{ kind: "core", folder: root }],
        maxBytes,
        tell: (event) => events.push(event),
        clock: { now: () => time.now, mono: () => time.mono },
      }),
    async leave(name: string, content: string, agoMs: number) {
      const path = join(root, name);
      await writeFile(path, content);
      await utimes(path, (time.now - agoMs) / 1_000, (time.now - agoMs) / 1_000);
    },
    pass(ms: number) {
      time.now += ms;
      time.mono += ms;
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

const boot = (bootId: string, version: string): Running => ({ slot: "a", version, bootId, bootedAt: 0 });

test("a boot that ended without a word leaves its last lines to the next one, under its own name, and once", async () => {
  await using here = await scene();
  const first = await here.open();
  await first.begin(boot("boot-1", "2.0.0"));
  first.note("link.up");
  const second = await here.open();
  await second.begin(boot("boot-2", "1.0.0"));
  await second.work(here.send);
  await second.work(here.send);
  assert.equal(here.sent.length, 1);
  assert.match(here.sent[0]?.text ?? "", /link\.up/);
  assert.deepEqual([here.sent[0]?.kind, here.sent[0]?.version, here.sent[0]?.bootId], ["log", "2.0.0", "boot-1"]);
  assert.deepEqual(
    here.events.map(({ type }) => type),
    ["unexpected_boot"],
  );
});

test("a boot that was ended on purpose leaves nothing", async () => {
  await using here = await scene();
  const first = await here.open();
  await first.begin(boot("boot-1", "2.0.0"));
  await first.end();
  const second = await here.open();
  await second.begin(boot("boot-2", "2.0.0"));
  await second.work(here.send);
  assert.deepEqual([here.sent, here.events], [[], []]);
});

test("what cannot be sent now waits, over restarts too, until the platform asks for it again", async () => {
  await using here = await scene();
  const first = await here.open();
  await first.begin(boot("boot-1", "2.0.0"));
  await first.crashed({ sentence: "The payload ended with exit code 1.", lines: ["Error: no pressure"] });
  here.setAnswer("down");
  await first.work(here.send);
  await first.end();
  here.setAnswer("stored");
  await first.work(here.send);
  assert.equal(here.sent.length, 0, "30 s were asked for");
  const second = await here.open();
  await second.begin(boot("boot-2", "2.0.0"));
  await second.work(here.send);
  assert.deepEqual(
    here.sent.map(({ text, bootId }) => [text, bootId]),
    [["Error: no pressure\nThe payload ended with exit code 1.\n", "boot-1"]],
  );
  assert.deepEqual(
    (await readdir(here.folder)).filter((name) => name.endsWith(".bin")),
    [],
  );
});

test("a core is sent once, only its first bytes where it is large, and not while it is still being written", async () => {
  await using here = await scene();
  await here.leave("core.old", "from before this agent", 3_600_000);
  const witness = await here.open(100);
  await witness.begin(boot("boot-1", "2.0.0"));
  here.pass(20_000);
  await here.leave("core.1", "x".repeat(500), 5_000);
  await here.leave("core.2", "half", 500);
  await witness.work(here.send);
  assert.deepEqual(
    here.sent.map(({ kind, text }) => [kind, text.length]),
    [["core", 100]],
  );
  here.pass(20_000);
  await witness.work(here.send);
  assert.deepEqual(
    here.sent.map(({ text }) => text.length),
    [100, 4],
  );
  here.pass(20_000);
  await (await here.open(100)).work(here.send);
  assert.equal(here.sent.length, 2);
});

test("in a crash loop the first twenty wait, and the others are let go", async () => {
  await using here = await scene();
  const witness = await here.open();
  await witness.begin(boot("boot-1", "2.0.0"));
  for (let i = 0; i < 50; i++) await witness.crashed({ sentence: `Crash ${i}.`, lines: [] });
  await witness.work(here.send);
  assert.equal(here.sent.length, 20);
  assert.match(here.sent[0]?.text ?? "", /Crash 0\./);
});

test("a list of what waits that cannot be read is begun anew", async () => {
  await using here = await scene();
  const first = await here.open();
  await first.begin(boot("boot-1", "2.0.0"));
  await writeFile(join(here.folder, "waiting.json"), "{");
  await (await here.open()).begin(boot("boot-2", "2.0.0"));
});

test("a machine's traffic is that of its network cards, and where it has none, of all but the loopback", () => {
  const table = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1000       1    0    0    0     0          0         0     1000       1    0    0    0     0       0          0
  eth0: 500       5    0    0    0     0          0         0      70       3    0    0    0     0       0          0
docker0:  20       1    0    0    0     0          0         0       3       1    0    0    0     0       0          0
`;
  assert.deepEqual(
    sumOf(interfacesIn(table), (name) => name === "eth0"),
    { rx: 500, tx: 70 },
  );
  assert.deepEqual(
    sumOf(interfacesIn(table), () => false),
    { rx: 520, tx: 73 },
  );
  assert.deepEqual(interfacesIn("nonsense: a b c\n"), []);
});
