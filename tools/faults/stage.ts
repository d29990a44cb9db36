import { readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { seededRandom } from "@tenfold/base";
import { ownFolder } from "@tenfold/testkit";
import { type EnrolledDevice, enrollFleet } from "../../bench/fleet.ts";
import type { Fault, Stage } from "./fault.ts";
import { judge, type Verdict } from "./law.ts";
import { type Load, startLoad } from "./load.ts";
import { freePorts, type Platform, startPlatformProcess } from "./platform.ts";

export type Played = Verdict & { injected: number; broken: string[]; notes: string[] };

const fleetSize = 6;
const usualLongestMs = 180_000;

/** Plays one fault from an empty data folder to the law, and clears everything away. */
export async function play(fault: Fault, { seed, goOnMs }: { seed: string; goOnMs: number }): Promise<Played> {
  const found = { broken: [] as string[], notes: [] as string[] };
  const loads: Load[] = [];
  let platform: Platform | undefined;
  await using stage = await createStage(`${seed} ${fault.id}`, { found, loads, goOnMs, started: (now) => (platform = now) });
  const { longestMs = usualLongestMs } = fault;
  const { injected } = await inTime(fault.run(stage), typeof longestMs === "number" ? longestMs : longestMs(goOnMs)).catch(
    async (error: unknown) => {
      found.broken.push(`it could not be played to its end: ${error instanceof Error ? error.message : error}`);
      if (platform !== undefined && !platform.alive()) found.notes.push(`the platform had ended: ${await lastWords(platform)}`);
      return { injected: 0 };
    },
  );
  const verdict: Verdict = { acknowledged: 0, lost: [], doubled: [], unacknowledgedButStored: 0 };
  for (const load of loads) {
    await load.stop();
    // Whatever became of it during the fault: the law is judged by a platform that is up.
    if (platform === undefined || !platform.alive()) platform = await stage.start();
    const one = await judge(platform.client, load);
    verdict.acknowledged += one.acknowledged;
    verdict.lost.push(...one.lost);
    verdict.doubled.push(...one.doubled);
    verdict.unacknowledgedButStored += one.unacknowledgedButStored;
  }
  const good = verdict.lost.length + verdict.doubled.length + found.broken.length === 0;
  if (!good && platform !== undefined) found.notes.push(...complaints(await platform.log()));
  return { ...verdict, injected, ...found };
}

/** A fault that is not done in time is left behind; its stage then ends everything that it started, and starts nothing more for it. */
async function inTime<Done>(run: Promise<Done>, longestMs: number): Promise<Done> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`not done after ${longestMs / 1_000} s`)), longestMs);
  return Promise.race([run, late.promise]).finally(() => clearTimeout(timer));
}

const lastWords = async (platform: Platform): Promise<string> =>
  (await platform.log()).trim().split("\n").slice(-12).join("\n      ");

/** What the platform's log complained of, each event once with its last words. */
function complaints(log: string): string[] {
  const events = new Map<string, { times: number; line: string }>();
  for (const line of log.split("\n")) {
    const event = /"level":"(?:warn|error)".*?"event":"([^"]+)"/.exec(line)?.[1];
    if (event !== undefined) events.set(event, { times: (events.get(event)?.times ?? 0) + 1, line });
  }
  return [...events].map(([event, { times, line }]) => `log: ${event}×${times}: ${line.slice(0, 300)}`);
}

type Account = {
  found: { broken: string[]; notes: string[] };
  loads: Load[];
  goOnMs: number;
  started: (platform: Platform) => void;
};

async function createStage(seed: string, { found, loads, goOnMs, started }: Account): Promise<Stage> {
  const dir = await ownFolder("fault");
  await mkdir(join(dir, "data"));
  const ports = await freePorts();
  const undo: (() => Promise<void> | void)[] = [];
  const platforms: Platform[] = [];
  let last: Parameters<Stage["start"]>[0];
  let devices: EnrolledDevice[] | undefined;
  let over = false;
  return {
    dir,
    random: seededRandom(seed),
    goOnMs,
    devices: () => devices ?? [],
    async start(wish = last) {
      if (over) throw new Error("The stage is cleared away; nothing is started on it any more.");
      last = wish;
      const platform = await startPlatformProcess({
        dataDir: join(dir, "data"),
        env: {},
        wrap: [],
        nodeFlags: [],
        ports,
        logFile: join(dir, "platform.log"),
        readyMs: 120_000,
        ...wish,
      });
      platforms.push(platform);
      if (over) await platform.end("SIGKILL");
      started(platform);
      devices ??= await enrollFleet(platform, { prefix: "fault", devices: fleetSize });
      return platform;
    },
    load({ host = "127.0.0.1", port = ports.mqtt, ...options } = {}) {
      const platform = platforms.at(-1);
      if (platform === undefined) throw new Error("A load needs a platform that was started.");
      const load = startLoad(
        { host, port, ca: readFileSync(platform.ca, "utf8") },
        {
          metric: `seq${loads.length}`,
          window: 8,
          perSecond: 200,
          patienceMs: 15_000,
          keepAliveS: 60,
          devices: devices ?? [],
          ...options,
        },
      );
      loads.push(load);
      return load;
    },
    holds(sentence, kept, detail) {
      if (!kept) found.broken.push(detail === undefined ? sentence : `${sentence} (${detail})`);
    },
    note: (sentence) => void found.notes.push(sentence),
    onEnd: (step) => void undo.push(step),
    async [Symbol.asyncDispose]() {
      over = true;
      for (const load of loads) await load.stop(0);
      for (const platform of platforms) await platform.end("SIGKILL");
      for (const step of undo.reverse()) await step();
      await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 });
    },
  };
}
