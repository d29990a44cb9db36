import { flushCompileCache } from "node:module";
import { describeError, Problem } from "@tenfold/base";
import { readConfig, readConfigFile } from "./config.ts";
import { beginEngines } from "./engines.ts";
import { createLog, humanLine, systemClock } from "./kernel/index.ts";

const drainMs = 10_000;

const known = ["--data", "--config", "--roles"];

/** `--data DIR`, `--config FILE` and `--roles a,b`; everything else is a setting of the file or the environment. */
function readFlags(words: readonly string[]): { data?: string; config?: string; roles?: string } {
  const flags: Record<string, string> = {};
  for (let i = 0; i < words.length; i += 2) {
    const [word = "", value] = [words[i], words[i + 1]];
    if (!known.includes(word) || value === undefined)
      throw new Error(`Usage: main.ts [--data DIR] [--config FILE] [--roles ROLE,ROLE]; "${word}" is none of them.`);
    flags[word.slice(2)] = value;
  }
  return flags;
}

try {
  const flags = readFlags(process.argv.slice(2));
  const file = readConfigFile(flags.config ?? process.env.TENFOLD_CONFIG);
  const config = readConfig({
    env: process.env,
    ...(file ? { file } : {}),
    flags: {
      ...(flags.data === undefined ? {} : { data: flags.data }),
      ...(flags.roles === undefined ? {} : { roles: flags.roles }),
    },
  });
  // A person at a terminal reads lines; a collector reads JSON.
  const forPeople = process.stderr.isTTY ? { write: (line: string) => void process.stderr.write(`${humanLine(line)}\n`) } : {};
  const log = createLog({ level: config["log.level"], ...forPeople });
  const signals = ["SIGTERM", "SIGINT"] as const;
  const stopped = new Promise<string>((resolve) => {
    for (const signal of signals) process.once(signal, () => resolve(signal));
  });

  // The engines start in processes of their own while the rest of the program is loaded.
  const starting = beginEngines({ config, clock: systemClock, log });
  const { startPlatform } = await import("./platform.ts");
  const platform = await startPlatform({ config, log, starting });
  for (const [name, value] of Object.entries(platform.endpoints)) console.log(`${name.padEnd(18)} ${value}`);
  log.info("platform.ready", { afterMs: Math.round(performance.now()), version: platform.version });
  // Now, not only at the end: a process that is killed writes nothing.
  flushCompileCache();

  // After a failed fdatasync a retry would lie: another process begins from what is on the disk.
  const failed = platform.broken.then((because) => ({ because }));
  const end = await Promise.race([stopped.then((signal) => ({ signal })), failed]);
  log.info("platform.draining", end);
  // A part that cannot end in time must not keep the whole from ending.
  const late = setTimeout(() => {
    log.error("platform.drain_too_slow", { afterMs: drainMs });
    process.exit(1);
  }, drainMs);
  await platform.stop();
  clearTimeout(late);
  log.info("platform.stopped");
  process.exit("signal" in end ? 0 : 1);
} catch (error) {
  console.error(`Tenfold could not start: ${describeError(error)}`);
  if (error instanceof Problem && error.fix !== undefined) console.error(error.fix);
  if (!(error instanceof Problem) && error instanceof Error) console.error(error.stack);
  process.exit(1);
}
