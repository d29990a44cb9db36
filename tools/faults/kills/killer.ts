import { setTimeout as pause } from "node:timers/promises";
import { describeError } from "@tenfold/base";
import type { Stage } from "../fault.ts";
import type { Platform, PlatformWish } from "../platform.ts";
import { connectPostgres } from "../postgres.ts";
import { postmasterOf, processOf } from "../processes.ts";

/**
 * What is killed: the platform's process, the platform again while it starts after that, PostgreSQL's first process, one of its backends, the store's
 * process, or platform and PostgreSQL at once.
 */
export const targets = ["platform", "start", "postgres", "backend", "store", "both"] as const;
export type Target = (typeof targets)[number];

/** One kill, and when the platform was ready again; that of a start lies within the one before it, and counts no time of its own. */
export type Kill = { target: Target; at: number; readyAt: number };

const weights: Record<Exclude<Target, "start">, number> = { platform: 0.3, postgres: 0.15, backend: 0.4, store: 0.1, both: 0.05 };
const healMs = 40_000;
const startMs = 120_000;
/** How often a start is killed, too, and how late in it. */
const [startKills, latestMs] = [0.6, 8_000];

export type Killing = {
  stage: Stage;
  platform: Platform;
  /** What the platform is started with. */
  wish: Partial<PlatformWish>;
  /** The folder of a PostgreSQL that outlives the platform; it is laid out as a platform's data folder. */
  database: string;
  chance: () => number;
  going: () => boolean;
  peace: ReadonlySet<string>;
};

/** Kills something at a random moment, waits until the platform is ready again, and so on. */
export async function killOnAndOn(killing: Killing): Promise<Kill[]> {
  const { stage, database, chance, going, peace } = killing;
  const kills: Kill[] = [];
  let { platform } = killing;
  while (going()) {
    await pause(200 + chance() * 2_000);
    if (peace.size > 0) continue;
    const target = draw(chance());
    const at = Date.now();
    if (!(await kill(target, { platform, database }))) continue;
    if (target === "platform" || target === "both") platform = await startAgain(killing, kills);
    const healed = await platform.readyWithin(healMs);
    kills.push({ target, at, readyAt: Date.now() });
    process.stderr.write(`${kills.length} `);
    if (healed) continue;
    stage.holds(`it is ready again within ${healMs / 1_000} s after the kill of ${target}`, false, `kill ${kills.length}`);
    await platform.end("SIGKILL");
    platform = await startAgain(killing, kills);
  }
  return kills;
}

/** As a supervisor does. Some starts are killed as well, at some moment, and what ends by itself is started again. */
async function startAgain({ stage, wish, chance }: Killing, kills: Kill[]): Promise<Platform> {
  for (let failed = 0; ; ) {
    const readyMs = chance() < startKills ? 100 + chance() * latestMs : startMs;
    const began = Date.now();
    try {
      return await stage.start({ ...wish, readyMs });
    } catch (error) {
      const at = Date.now();
      // What is not ready in time is killed; what ended before that did so by itself.
      if (readyMs < startMs && at - began >= readyMs) kills.push({ target: "start", at, readyAt: at });
      else if (++failed === 3) throw error;
      else stage.note(`a start ended: ${lastWordsOf(error)}`);
    }
  }
}

const lastWordsOf = (error: unknown): string => describeError(error).trim().split("\n").slice(-2).join(" ");

function draw(drawn: number): keyof typeof weights {
  let left = drawn;
  for (const target of targets) {
    if (target === "start") continue;
    left -= weights[target];
    if (left < 0) return target;
  }
  return "platform";
}

type Victims = { platform: Platform; database: string };

/** False where there was nothing to kill just now. */
async function kill(target: keyof typeof weights, { platform, database }: Victims): Promise<boolean> {
  switch (target) {
    case "platform":
      await platform.end("SIGKILL");
      return true;
    case "postgres":
      return killProcess(await postmasterOf(database).catch(() => undefined));
    case "both": {
      if (!killProcess(await postmasterOf(database).catch(() => undefined))) return false;
      await platform.end("SIGKILL");
      return true;
    }
    case "backend":
      return killProcess(await aBackend(database).catch(() => undefined));
    case "store":
      return killProcess(await processOf(platform.pid, "chdb-worker", { withinMs: 0 }));
  }
}

function killProcess(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    return false;
  }
}

/** A backend that is in the middle of something, where there is one: PostgreSQL then starts all of them anew. */
async function aBackend(database: string): Promise<number | undefined> {
  await using postgres = await connectPostgres(database);
  const { rows } = await postgres.ask(
    "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() order by state = 'idle', random() limit 1",
  );
  return rows[0]?.pid;
}
