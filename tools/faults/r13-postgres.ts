import { setTimeout as wait } from "node:timers/promises";
import { api } from "@tenfold/contracts";
import type { Fault, Stage } from "./fault.ts";
import type { Platform } from "./platform.ts";
import { connectPostgres } from "./postgres.ts";
import { postmasterOf } from "./processes.ts";

const lockMs = 8_000;

export const fault: Fault = {
  id: "R13",
  name: "postgres",
  injected: "kill -9 of PostgreSQL, all its connections ended by pg_terminate_backend, a lock held on the devices' table for 8 s",
  holds: [
    "the platform lives on",
    "messages are acknowledged all the time",
    "PostgreSQL is started again and the pool heals",
    "no answer of the API is worse than a 503",
  ],
  needs: ["linux"],
  async run(stage) {
    const platform = await stage.start();
    const load = stage.load({ leaseS: 6 });
    await load.more(200, 20_000);
    for (const [name, inject] of [
      ["terminated connections", terminateAll],
      ["kill -9", killServer],
      ["lock", holdLock],
    ] as const) {
      const answers = watchApi(platform);
      await inject(platform);
      stage.holds(`messages are acknowledged after ${name}`, await load.more(100, 3_000));
      const healed = await platform.readyWithin(20_000);
      stage.holds(`the pool heals after ${name}`, healed);
      await wait(500);
      await judgeAnswers(stage, name, await answers.stop());
      stage.holds(`the platform lives on after ${name}`, platform.alive());
    }
    return { injected: 3 };
  },
};

async function terminateAll({ dataDir }: Platform): Promise<void> {
  await using postgres = await connectPostgres(dataDir);
  await postgres.ask(
    "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'",
  );
}

async function killServer({ dataDir }: Platform): Promise<void> {
  process.kill(await postmasterOf(dataDir), "SIGKILL");
}

async function holdLock({ dataDir }: Platform): Promise<void> {
  await using postgres = await connectPostgres(dataDir);
  await postgres.ask("begin");
  await postgres.ask("lock table registry.device in access exclusive mode");
  await wait(lockMs);
  await postgres.ask("rollback");
}

/** Asks for the devices again and again and counts what came back. */
function watchApi({ client }: Platform): { stop(): Promise<Map<string, number>> } {
  const answers = new Map<string, number>();
  let going = true;
  const asking = (async () => {
    while (going) {
      const answer = await client.call(api.listDevices, { query: {} }).then(
        () => "200",
        (error: unknown) => (error instanceof Error && "status" in error ? String(error.status) : String(error)),
      );
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
      await wait(100);
    }
  })();
  return {
    async stop() {
      going = false;
      await asking;
      return answers;
    },
  };
}

async function judgeAnswers(stage: Stage, name: string, answers: ReadonlyMap<string, number>): Promise<void> {
  const told = [...answers].map(([answer, times]) => `${answer}×${times}`).join(", ");
  stage.note(`API during ${name}: ${told}`);
  const worse = [...answers.keys()].filter((answer) => answer !== "200" && answer !== "503");
  stage.holds(`no answer of the API is worse than a 503 during ${name}`, worse.length === 0, told);
}
