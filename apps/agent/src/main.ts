import { describeError, Problem } from "@tenfold/base";
import { ConfigError, readConfig } from "./config.ts";
import { openDisk } from "./disk.ts";
import { help } from "./help.ts";
import { runAgent } from "./supervisor.ts";

/** Something that keeps the process for longer than this after SIGTERM is left behind: the disk is right at every moment. */
const drainMs = 5_000;

const args = process.argv.slice(2);
if (args.includes("--help") || args.includes("-h")) {
  console.log(help);
} else {
  try {
    const stopping = new AbortController();
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        stopping.abort();
        setTimeout(() => process.exit(0), drainMs).unref();
      });
    }
    const note = (event: string, fields: Record<string, unknown> = {}) =>
      console.log(JSON.stringify({ time: new Date().toISOString(), event, ...fields }));
    const config = readConfig(args);
    await runAgent(config, { disk: await openDisk(config.state, config), signal: stopping.signal, note });
    note("agent.stopped");
    process.exit(0);
  } catch (error) {
    const usage = error instanceof ConfigError;
    console.error(
      `${describeError(error)}${error instanceof Problem && error.fix ? `\n${error.fix}` : ""}${usage ? "\nSee --help." : ""}`,
    );
    process.exit(usage ? 2 : 1);
  }
}
