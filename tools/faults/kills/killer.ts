import { setTimeout as pause } from "node:timers/promises";
import type { Stage } from "../fault.ts";
import type { Platform } from "../platform.ts";
import { connectPostgres } from "../postgres.ts";
import { postmasterOf, processOf } from "../processes.ts";

/** What is killed: the platform's process, PostgreSQL's first process, one of its backends, the store's process, or platform and PostgreSQL at once. */
export const targets = ["platform", "postgres", "backend", "store", "both"] as const;
export type Target = (typeof targets)[number];

/** One kill, and when the platform was ready again. */
export type Kill = { target: Target; at: number; readyAt: number };

const weights: Record<Target, number> = { platform: 0.3, postgres: 0.15, backend: 0.4, store: 0.1, both: 0.05 };
const healMs = 40_000;

export type Killing = {
  stage: Stage;
  platform: Platform;
  /** The folder of a PostgreSQL that outlives the platform; it is laid out as a platform's data folder. */
  database: string;
  chance: () => number;
  going: () => boolean;
};

/** Kills something at a random moment, waits until the platform is ready again, and so on. */
export async function killOnAndOn({ stage, database, chance, going, ...first }: Killing): Promise<Kill[]> {
  const kills: Kill[] = [];
  let { platform } = first;
  while (going()) {
    await pause(200 + chance() * 2_000);
    const target = draw(chance());
    const at = Date.now();
    if (!(await kill(target, { platform, database }))) continue;
    if (target === "platform" || target === "both") platform = await supervised(stage);
    const healed = await platform.readyWithin(healMs);
    kills.push({ target, at, readyAt: Date.now() });
    if (kills.length % 25 === 0) process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${kills.length} kills\n`);
    if (healed) continue;
    stage.holds(`it is ready again within ${healMs / 1_000} s after the kill of ${target}`, false, `kill ${kills.length}`);
    await platform.end("SIGKILL");
    platform = await supervised(stage);
  }
  return kills;
}

/** As a supervisor does: what ends while it starts, because the next kill came under it, is started again. */
async function supervised(stage: Stage): Promise<Platform> {
  for (let start = 1; ; start++) {
    try {
      return await stage.start();
    } catch (error) {
      if (start === 3) throw error;
      stage.note(`a start ended: ${error instanceof Error ? error.message.trim().split("\n").at(-2) : error}`);
    }
  }
}

function draw(drawn: number): Target {
  let left = drawn;
  for (const target of targets) {
    left -= weights[target];
    if (left < 0) return target;
  }
  return "platform";
}

type Victims = { platform: Platform; database: string };

/** False where there was nothing to kill just now. */
async function kill(target: Target, { platform, database }: Victims): Promise<boolean> {
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
      return killProcess(await processOf(platform.pid, "chdb-worker", { withinMs: 2_000 }));
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
