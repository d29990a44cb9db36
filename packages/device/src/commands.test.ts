import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "@tenfold/base";
import { type CommandDocument, type CommandResult, commandResult, heartbeat } from "@tenfold/contracts";
import fc from "fast-check";
import { hearCommand, hearDesired, judgeCommand, rememberedCommands, toldCommand } from "./commands.ts";
import {
  type Body,
  createBrain,
  type DeviceConfig,
  defaultPatience,
  deviceProblems,
  freshMemory,
  type Memory,
  type Picture,
  parseMemory,
} from "./index.ts";
import { freshSession } from "./picture.ts";
import { powerSupply } from "./testing.ts";

const config: DeviceConfig = {
  ...defaultPatience,
  retryCapMs: 20_000,
  device: "pump-1",
  model: "pump",
  heartbeatMs: 10_000,
  telemetryMs: 20_000,
  trustedKeys: [],
};

type Weather = { cuts: number[]; dropsLink: number; repeats: number; seed: number };
type Wish = Pick<CommandDocument, "name" | "args">;

const documentOf = ({ name, args }: Wish, n: number): CommandDocument => ({
  command: `cmd_${String(n).padStart(4, "0")}`,
  name,
  args,
  deadlineS: 3_600,
});

/** A device whose power can be cut before or after any effect, and a platform that sends what has no result whenever the device listens. */
function pretendWorld(wishes: readonly Wish[], { cuts, dropsLink, repeats, seed }: Weather) {
  const pending = new Map(wishes.map((wish, i) => [documentOf(wish, i).command, documentOf(wish, i)]));
  const results = new Map<string, CommandResult[]>();
  const done: number[] = [];
  const reported: unknown[] = [];
  const leases: number[] = [];
  const chance = seededRandom(seed);
  const { effect, switchOn } = powerSupply(cuts);
  let [memory, mono, reboots] = [undefined as string | undefined, 0, 0];

  function hearUp(topic: string, payload: string): void {
    const command = /\/commands\/(.+)\/result$/.exec(topic)?.[1];
    if (command !== undefined) {
      results.set(command, [...(results.get(command) ?? []), commandResult.parse(JSON.parse(payload))]);
      // The platform may send it again before it has read the result.
      if (chance() >= repeats) pending.delete(command);
    } else if (topic.endsWith("/state/reported")) reported.push(JSON.parse(payload));
    else if (topic.endsWith("/heartbeat")) leases.push(heartbeat.parse(JSON.parse(payload)).leaseS);
  }
  const bodyOf = (bootId: string): Body => ({
    running: { slot: "a", version: "1.0.0", bootId, bootedAt: mono },
    clock: { now: () => 1_800_000_000_000 + mono, mono: () => mono },
    loadMemory: async () => (memory === undefined ? undefined : parseMemory(memory)),
    saveMemory: (next: Memory) =>
      effect(() => {
        memory = JSON.stringify(next);
      }),
    loadBoot: async () => ({ good: "a" }),
    saveBoot: async () => {},
    slots: {
      erase: async () => {},
      keep: async () => 0,
      append: async () => {},
      flush: async () => {},
      digest: async () => ({ sha256: "", size: 0 }),
      install: async () => {},
    },
    enroll: async () => ({ notBefore: 1_799_999_000_000, notAfter: 1_900_000_000_000 }),
    async connect(events) {
      let open = true;
      queueMicrotask(() => {
        for (const document of pending.values())
          events.onMessage(`devices/pump-1/commands/${document.command}`, JSON.stringify(document));
        events.onMessage(
          "devices/pump-1/state/desired",
          JSON.stringify({ generation: 3, state: { heartbeatS: 30, colour: "red" } }),
        );
      });
      return {
        async publish(topic, payload) {
          if (!open) throw deviceProblems.link_lost("The link is closed.");
          if (chance() < dropsLink) {
            open = false;
            events.onDown("the weather");
            throw deviceProblems.link_lost("The link was lost.");
          }
          await effect(() => hearUp(topic, payload));
        },
        close: async () => {
          open = false;
        },
      };
    },
    download: () => Promise.reject(new Error("nothing to download")),
    refreshTrust: async () => {},
    takeSample: async () => {},
    // `seconds` says which command it is.
    identify: (seconds) => effect(() => void done.push(seconds)),
    selfTest: async () => ({ is: "pass" }),
    vitals: () => ({}),
  });

  async function start(number: number): Promise<"again" | "rests"> {
    const dark = switchOn();
    const brain = await createBrain({ body: bodyOf(`boot-${number}`), config, chance });
    for (const until = mono + 600_000; mono < until; ) {
      const rest = await Promise.race([brain.wake(), dark]);
      if (rest === "dark") return "again";
      if (rest.is === "reboot") {
        reboots += 1;
        return "again";
      }
      if (pending.size === 0 && reported.length > 0) return "rests";
      mono = Math.max(rest.untilMono, mono + 1);
    }
    return pending.size === 0 ? "rests" : "again";
  }

  return {
    results,
    done,
    reported,
    leases,
    reboots: () => reboots,
    memory: () => parseMemory(memory ?? ""),
    async run(): Promise<void> {
      for (let number = 0; number < 60; number++) if ((await start(number)) === "rests") return;
      assert.fail(`never answered: ${[...pending.keys()]}`);
    },
  };
}

const calm: Weather = { cuts: [], dropsLink: 0, repeats: 0, seed: 1 };

test("a device does what it knows, refuses the rest by name, and answers for each", async () => {
  const world = pretendWorld(
    [
      { name: "identify", args: { seconds: 7 } },
      { name: "reboot", args: {} },
      { name: "report-now", args: {} },
      { name: "set-interval", args: { telemetryS: 5 } },
      { name: "self-destruct", args: {} },
      { name: "constructor", args: {} },
      { name: "set-interval", args: { heartbeatS: "soon" } },
      { name: "reboot", args: { now: true } },
    ],
    calm,
  );
  await world.run();
  const answers = [...world.results.values()].map(([first]) => [first?.status, first?.code]);
  assert.deepEqual(answers.toSorted(), [
    ["refused", "arguments_invalid"],
    ["refused", "arguments_invalid"],
    ["refused", "command_unknown"],
    ["refused", "command_unknown"],
    ["succeeded", undefined],
    ["succeeded", undefined],
    ["succeeded", undefined],
    ["succeeded", undefined],
  ]);
  assert.deepEqual([world.done, world.reboots()], [[7], 1]);
  assert.equal(world.memory().settings.telemetryMs, 5_000);
});

test("a device follows the desired state, says which generation, and which keys it does not know; its lease follows too", async () => {
  const world = pretendWorld([], calm);
  await world.run();
  assert.deepEqual(world.reported[0], { desired: { generation: 3, refused: ["colour"] }, heartbeatS: 30, telemetryS: 20 });
  assert.equal(world.memory().settings.heartbeatMs, 30_000);
});

const anyWeather = fc.record({
  cuts: fc.array(fc.integer({ min: 2, max: 80 }), { maxLength: 8 }),
  dropsLink: fc.constantFrom(0, 0.1, 0.4),
  repeats: fc.constantFrom(0, 0.5),
  seed: fc.nat(),
});

test("whenever the power is cut, whatever comes twice: each command is done at most once and answered for, and answers do not change", async () => {
  const wishes: Wish[] = [
    ...[1, 2, 3, 4].map((seconds) => ({ name: "identify", args: { seconds } })),
    { name: "reboot", args: {} },
    ...[5, 6].map((seconds) => ({ name: "identify", args: { seconds } })),
  ];
  await fc.assert(
    fc.asyncProperty(anyWeather, async (weather) => {
      const world = pretendWorld(wishes, weather);
      await world.run();
      assert.equal(new Set(world.done).size, world.done.length, `done twice: ${world.done}`);
      assert.ok(world.reboots() <= 1);
      assert.equal(world.results.size, wishes.length);
      for (const answers of world.results.values()) assert.equal(new Set(answers.map((one) => JSON.stringify(one))).size, 1);
      for (const [i, { name, args }] of wishes.entries()) {
        const [answer] = world.results.get(documentOf({ name, args }, i).command) ?? [];
        if (name === "identify" && answer?.status === "succeeded") assert.ok(world.done.includes(Number(args.seconds)));
        if (weather.cuts.length === 0) assert.equal(answer?.status, "succeeded");
        else assert.ok(answer?.status === "succeeded" || answer?.code === "interrupted");
      }
    }),
    { numRuns: 300 },
  );
});

test("power cut at each single step does a command at most once, and tells when it does not know", async () => {
  const told = new Set<string | undefined>();
  for (let cut = 2; cut < 40; cut++) {
    const world = pretendWorld([{ name: "identify", args: { seconds: 3 } }], { ...calm, cuts: [cut] });
    await world.run();
    assert.ok(world.done.length <= 1, `cut at ${cut}`);
    told.add([...world.results.values()][0]?.[0]?.code);
  }
  assert.deepEqual([...told].toSorted(), ["interrupted", undefined]);
});

const pictureOf = (memory: Memory, now = 1_800_000_000_000): Picture => ({
  config,
  memory,
  trust: undefined,
  asksMetadata: false,
  boot: { good: "a" },
  running: { slot: "a", version: "1.0.0", bootId: "boot-1", bootedAt: 0 },
  session: freshSession(memory, { mono: 0, device: "pump-1" }),
  now,
  mono: 0,
});

test("a device that forgets old commands never does one of them again", () => {
  let memory = freshMemory();
  for (let n = 0; n < 2 * rememberedCommands; n++) {
    const { command } = documentOf({ name: "identify", args: {} }, n);
    memory = hearCommand(pictureOf(memory), documentOf({ name: "identify", args: {} }, n));
    memory = {
      ...memory,
      commands: memory.commands.map((one) => (one.command === command ? { ...one, result: { status: "succeeded" } } : one)),
    };
    memory = toldCommand(memory, command);
  }
  assert.equal(memory.commands.length, rememberedCommands);
  const again = hearCommand(pictureOf(memory), documentOf({ name: "identify", args: {} }, 3));
  assert.equal(again.commands.find(({ command }) => command === "cmd_0003")?.result?.code, "stale");
});

test("a device that owes an answer for all that it remembers takes no more on", () => {
  let memory = freshMemory();
  for (let n = 0; n < rememberedCommands + 5; n++)
    memory = hearCommand(pictureOf(memory), documentOf({ name: "identify", args: {} }, n));
  assert.equal(memory.commands.length, rememberedCommands);
});

test("a command is refused past its deadline, and a reboot while new firmware is on trial", () => {
  const memory = hearCommand(pictureOf(freshMemory()), documentOf({ name: "reboot", args: {} }, 1));
  const [command] = memory.commands;
  assert.ok(command);
  const late = judgeCommand(pictureOf(memory, 1_800_000_000_000 + 3_600_001), command);
  assert.ok(late.is === "refuse" && late.result.code === "deadline_passed");
  const trial = { good: "a", trial: { slot: "b", tag: "dep_1", tries: 0 } } as const;
  const busy = judgeCommand({ ...pictureOf(memory), boot: trial }, command);
  assert.ok(busy.is === "refuse" && busy.result.code === "busy");
});

test("an older desired state changes nothing; a later one without a key brings back what was set up", () => {
  const first = hearDesired(freshMemory(), { generation: 5, state: { heartbeatS: 30 } });
  assert.equal(hearDesired(first, { generation: 4, state: {} }).settings.heartbeatMs, 30_000);
  assert.deepEqual(hearDesired(first, { generation: 6, state: { telemetryS: 0 } }), {
    ...first,
    settings: {},
    desired: { generation: 6, refused: ["telemetryS"], told: false },
  });
});
