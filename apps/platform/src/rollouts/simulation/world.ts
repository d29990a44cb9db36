/**
 * The whole controller in one process on a virtual clock: production loop, planner, observers and operators' commands over a book in memory,
 * with devices that fail in every way we know, a network that loses, doubles, delays and mixes, servers that die at any write and any send,
 * and two of them at once. One seed decides everything. Faults end after the first half; then everything must come to rest.
 */
import { hash32, minutes, Problem, defaultScope as scope, seconds, seededRandom } from "@tenfold/base";
import { type DeploymentReport, nextDeployment } from "@tenfold/contracts";
import type { Book } from "../book.shell.ts";
import type { RolloutsDeps } from "../deps.ts";
import { emptyGuardBook } from "../guards/book.shell.ts";
import { observeHeartbeats, observeReports } from "../observe.shell.ts";
import { reconcileDue } from "../reconcile.ts";
import { documentsFor } from "../tell.shell.ts";
import { type Beat, beatOf, type Device, live, take } from "./device.ts";
import { createJudge } from "./judge.ts";
import { memoryBook } from "./memory-book.ts";
import { emptyDisk } from "./memory-disk.ts";
import { operate } from "./operators.ts";
import { epoch, type Heard, heardAfter, imageOf, registryOf, releasesOf } from "./pretend.ts";
import { type Scenario, scenarioOf } from "./scenario.ts";

/** A server died here. */
class Crash extends Error {}

export type Outcome = { seed: string; broken: string[]; crashes: number; ticks: number; phases: string[]; offers: number };

const tickMs = seconds(30);
const faultsEnd = 60;
const mostTicks = 2_000;

const clockFace = (minute: number): string => new Date(epoch + minutes(minute)).toISOString().slice(11, 16);

type Message =
  | { kind: "report"; device: string; deployment: string; report: DeploymentReport; at: number }
  | { kind: "beat"; device: string; heartbeat: Beat; at: number };

/** One run. The same seed gives the same run, to the last step. */
export async function simulate(seed: string): Promise<Outcome> {
  const random = seededRandom(seed);
  const die = seededRandom(`${seed}/stones`)();
  const stones = die < 0.7 ? "none" : die < 0.85 ? "after_it" : "only_over_it";
  const again = seededRandom(`${seed}/again`)() < 0.2 ? "once_taken_back" : "never";
  return play(seed, { random, scenario: scenarioOf(random, { startOfDay: clockFace, stones, again }) });
}

/** A run of a given scenario. `look` is called after every tick. */
export async function play(
  seed: string,
  { random, scenario, look = () => {} }: { random: () => number; scenario: Scenario; look?: (run: Run) => void },
): Promise<Outcome> {
  const run = createRun(random, scenario);
  for (run.tick = 0; run.tick < mostTicks; run.tick++) {
    await oneTick(run);
    look(run);
    if (run.tick > faultsEnd && run.isAtRest()) break;
  }
  run.judge.inspectEnd(run.disk, (id) => {
    const device = run.devices.get(id);
    return device?.alive ? device.runs : undefined;
  });
  const phases = [...run.disk.rollouts.values()].map(({ phase }) => phase);
  return { seed, broken: run.judge.broken, crashes: run.crashes, ticks: run.tick, phases, offers: run.disk.rows.size };
}

export type Run = ReturnType<typeof createRun>;

function createRun(random: () => number, scenario: Scenario) {
  const disk = emptyDisk();
  disk.policy = scenario.policy;
  if (scenario.freeze) {
    const [from, to] = [scenario.freeze.fromTick, scenario.freeze.toTick].map((tick) => epoch + tick * tickMs);
    disk.freezes = [{ from: from ?? 0, to: to ?? 0, reason: "harvest" }];
  }
  const heard = new Map<string, Heard>();
  const joinedAt = new Map<string, number>();
  const approvedTexts = new Map<string, string>();
  const devices = new Map<string, Device>(scenario.devices.map(({ id }) => [id, newDevice(id)]));
  let undo: (() => void)[] = [];
  let turn: Promise<unknown> = Promise.resolve();
  const run = {
    ...{ random, scenario, disk, devices, heard, joinedAt, approvedTexts },
    tick: 0,
    crashes: 0,
    clock: { now: () => run.now },
    now: epoch,
    wire: [] as { dueTick: number; message: Message }[],
    journal: [] as Message[],
    judge: createJudge({
      heard: (id) => {
        const device = scenario.devices.find((one) => one.id === id);
        const known = heard.get(id);
        const runs = devices.get(id)?.runs.version;
        return device && known && { versions: [known.firmware.version, runs ?? ""], battery: device.battery, tags: device.tags };
      },
      hasClone: (id) => scenario.plans.some(({ version }) => scenario.modeOf(version, id) === "has_a_clone"),
      fallsBackLater: (id) => scenario.plans.some(({ version }) => scenario.modeOf(version, id) === "falls_back_after_ten_minutes"),
      stoneOf: (version) => scenario.stoneOf[version],
      approvalsNeeded: (id) => Math.max(disk.rollouts.get(id)?.plan.approvals ?? 0, disk.policy.approvals),
      approvers: (id) => {
        const text = JSON.stringify(disk.rollouts.get(id)?.plan);
        return [...approvedTexts].filter(([key, approved]) => key.startsWith(`${id}/`) && approved === text).length;
      },
    }),
    faulty: () => run.tick < faultsEnd,
    isAtRest: () =>
      run.journal.length === 0 &&
      run.wire.length === 0 &&
      scenario.plans.every((_, i) => disk.rollouts.has(`rol_${i}`) || i > 0) &&
      [...disk.rollouts.values()].every(({ endedAt }) => endedAt !== undefined) &&
      [...devices.values()].every(({ work, trials }) => work === undefined && trials === 0),
  };
  /** Where a server may die. */
  const point = (): void => {
    if (!run.faulty() || random() >= scenario.crashes) return;
    run.crashes += 1;
    throw new Crash();
  };
  const raw = memoryBook(disk, { append: point, undo: () => undo });
  const book = withGaps(raw, random);
  /** One transaction at a time; what has not been committed when the server dies was never there. */
  const db = {
    transaction: () => ({
      execute<T>(work: (tx: unknown) => Promise<T>): Promise<T> {
        const mine = turn.then(async () => {
          undo = [];
          const result = await work(undefined).catch((error: unknown) => {
            for (const step of undo.toReversed()) step();
            undo = [];
            throw error;
          });
          undo = [];
          run.judge.inspect(disk, run.now);
          point();
          return result;
        });
        turn = mine.catch(() => undefined);
        return mine;
      },
    }),
  };
  const deps: RolloutsDeps = {
    // The loop asks the database for nothing but transactions: everything else goes through the book.
    db: db as unknown as RolloutsDeps["db"],
    book,
    // Guards compare series of measurements, which pretended devices do not have.
    guardBook: emptyGuardBook,
    registry: registryOf(run),
    releases: releasesOf(scenario),
    audit: async () => undefined,
    bus: { publish() {} } as unknown as RolloutsDeps["bus"],
    clock: run.clock,
    log: { debug() {}, info() {}, warn() {}, error() {}, child: () => deps.log },
    tickMs,
    async refresh(id) {
      point();
      const next = nextDeployment.parse((await documentsFor(deps, scope, [id])).get(id));
      run.judge.inspectSend(disk, id, next);
      const device = devices.get(id);
      if (scenario.pollsEvery !== undefined || !device?.alive || lost(run)) return false;
      take(device, next, { mode: modeFor(run, device, next.is === "offer" ? next.release.signed.version : ""), now: run.now });
      point();
      return true;
    },
  };
  return Object.assign(run, { deps });
}

/** Lets others run between any two questions, so that two servers get in each other's way in every order. */
function withGaps(book: Book, random: () => number): Book {
  const gapped = Object.entries(book).map(([name, ask]) => [
    name,
    async (...given: unknown[]) => {
      for (let i = Math.floor(random() * 3); i > 0; i--) await undefined;
      if (name === "lockFree" && random() < 0.03) return undefined;
      return (ask as (...given: unknown[]) => Promise<unknown>)(...given);
    },
  ]);
  // The same names with the same answers, a little later.
  return Object.fromEntries(gapped) as Book;
}

const newDevice = (id: string): Device => ({
  ...{
    id,
    boot: 1,
    seq: 0,
    runs: imageOf("1"),
    before: undefined,
    alive: true,
    work: undefined,
    done: new Set<string>(),
    trials: 0,
    fallsBackIn: undefined,
  },
});

const lost = (run: Pick<Run, "faulty" | "random" | "scenario">): boolean => run.faulty() && run.random() < run.scenario.loss;
/** What was wrong with a release, or around it, is mended before it is rolled out again. */
const modeFor = ({ scenario, disk }: Pick<Run, "scenario" | "disk">, { id }: Device, version: string) =>
  version === "1" || disk.rollouts.has("rol_again") ? ("good" as const) : scenario.modeOf(version, id);

async function oneTick(run: Run): Promise<void> {
  // Once the faults are over and nobody is at work, a day passes quickly.
  const idle = !run.faulty() && run.wire.length === 0 && [...run.devices.values()].every(({ work }) => work === undefined);
  run.now += idle && run.tick % 4 === 0 ? minutes(11) : tickMs;
  arrive(run);
  await operate(run, (work) => survive(run, work));
  speak(run);
  await deliver(run);
  await ask(run);
  const servers = run.random() < 0.3 ? 2 : 1;
  await Promise.all(Array.from({ length: servers }, () => survive(run, () => reconcileDue(run.deps))));
  run.judge.inspectTick(run.disk, run.now);
}

/** A server that dies is started again; what it was doing is gone. */
async function survive(run: Run, work: () => Promise<unknown>): Promise<"done" | "died"> {
  try {
    await work();
    return "done";
  } catch (error) {
    if (error instanceof Crash) return "died";
    if (error instanceof Problem) return "done";
    // Two servers wanted the same device: the database refused one of them, and its loop comes again.
    if (error instanceof Error && error.message.includes("has an update in flight")) return "died";
    run.judge.say(`threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return "done";
  }
}

function arrive(run: Run): void {
  for (const { id, joins } of run.scenario.devices)
    if (!run.joinedAt.has(id) && (joins === "at_start" || run.tick >= 25)) run.joinedAt.set(id, run.now);
}

// biome-ignore lint/complexity/noExcessiveCognitiveComplexity: what a device says stands in one place.
function speak(run: Run): void {
  const { random, tick, now } = run;
  for (const device of run.devices.values()) {
    if (!device.alive || !run.joinedAt.has(device.id)) continue;
    const target = device.work?.offer.release.signed.artifact;
    const mode = modeFor(run, device, device.work?.offer.release.signed.version ?? newest(run));
    const spoken = live(device, random, now);
    if (spoken.installs !== undefined) run.judge.noteInstall(run.disk, spoken.installs, now);
    const again = mode === "keeps_rebooting" && run.faulty() && random() < 0.05;
    if (again) device.boot += 1;
    const booted = spoken.booted ?? (again && device.trials === 0 ? device.runs : undefined);
    if (booted) run.judge.noteBoot(device.id, booted, now);
    const half = mode === "half_dead_network" && run.faulty();
    if (spoken.report) post(run, { kind: "report", device: device.id, ...spoken.report, at: now }, half);
    const lying = target ? { version: newest(run), hash: target.sha256 } : imageOf(newest(run));
    post(run, { kind: "beat", device: device.id, heartbeat: beatOf(device, mode, lying), at: now }, half);
    if (mode === "has_a_clone" && run.faulty() && tick % 5 === 0)
      post(
        run,
        {
          kind: "beat",
          device: device.id,
          heartbeat: { seq: device.seq, bootId: `clone-${tick}`, firmware: { ...imageOf("0"), state: "confirmed" } },
          at: now,
        },
        half,
      );
  }
}

const newest = ({ disk, scenario }: Run): string => (disk.rollouts.has("rol_1") ? "3" : (scenario.plans[0]?.version ?? "2"));

/** Loses, doubles, delays and mixes while the weather is bad. */
function post(run: Run, message: Message, half: boolean): void {
  const { random, scenario, tick, wire } = run;
  const bad = run.faulty() ? Math.max(scenario.loss, half ? 0.6 : 0) : 0;
  if (random() < bad) return;
  wire.push({ dueTick: tick + (random() < bad ? Math.floor(random() * 25) : 0), message });
  if (random() < bad) wire.push({ dueTick: tick + Math.floor(random() * 5), message });
}

/** What has arrived is in the journal until it was taken in; a consumer that dies reads it again. */
async function deliver(run: Run): Promise<void> {
  const due = run.wire.filter(({ dueTick }) => dueTick <= run.tick).toSorted(() => (run.faulty() ? run.random() - 0.5 : 0));
  run.wire = run.wire.filter(({ dueTick }) => dueTick > run.tick);
  // `at` is when the platform received it.
  run.journal.push(...due.map(({ message }) => ({ ...message, at: run.now })));
  const batch = run.journal;
  const reports = batch.flatMap((one) => (one.kind === "report" ? [{ ...one, scope }] : []));
  const beats = batch.flatMap((one) => (one.kind === "beat" ? [{ ...one, scope }] : []));
  const hear = () => {
    for (const { device, heartbeat, at } of beats) run.heard.set(device, heardAfter(run.heard.get(device), heartbeat, at));
  };
  // The registry takes contacts in by itself, and may be behind.
  const behind = run.faulty() && run.tick % 7 === 3;
  if (!behind) hear();
  const took = [
    await survive(run, () => observeReports(run.deps, reports)),
    await survive(run, () => observeHeartbeats(run.deps, beats)),
  ];
  if (behind) hear();
  if (took.every((one) => one === "done")) run.journal = [];
}

/** Devices ask what there is for them, too. */
async function ask(run: Run): Promise<void> {
  for (const device of run.devices.values()) {
    if (!device.alive || !itsTurn(run, device.id) || lost(run)) continue;
    await survive(run, async () => {
      const next = (await documentsFor(run.deps, scope, [device.id])).get(device.id);
      if (next)
        take(device, next, { mode: modeFor(run, device, next.is === "offer" ? next.release.signed.version : ""), now: run.now });
    });
  }
}

/** Now and then; or to the tick, where devices are only told what they ask for. */
function itsTurn({ scenario: { pollsEvery }, tick, random }: Run, device: string): boolean {
  return pollsEvery === undefined ? random() <= 0.1 : (tick + hash32(device)) % pollsEvery === 0;
}
