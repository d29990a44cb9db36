import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { runProgram } from "../../child.ts";
import { createSession, type GlobalOptions } from "../../context.ts";

/** `tenfold sim …` hands its words to the simulator, which explains itself with --help, and tells it where the server is. */
export function simCommands(program: Command): void {
  const sim = program.command("sim").description("A fleet that does not exist: simulated devices over real connections");
  for (const [verb, summary] of [
    ["start", "Simulated devices that enroll, report and update"],
    ["replay", "Plays a recording of real sensors through real devices"],
    ["firmware", "Makes a firmware image whose behaviour you choose"],
  ] as const) {
    const command = sim
      .command(verb)
      .summary(summary)
      .description(summary)
      .allowUnknownOption()
      .allowExcessArguments()
      .helpOption(false)
      .argument("[args...]");
    command.action(async () => {
      // The words as they were typed: commander would take the simulator's flags for its own.
      const words = process.argv.slice(process.argv.indexOf(verb) + 1);
      const located = verb === "firmware" ? [] : await locate(command.optsWithGlobals<GlobalOptions>(), words);
      await runProgram("simulator", [verb, ...words, ...located]);
    });
  }
}

type Running = { url?: string; deviceUrl?: string; mqttUrl?: string };

/** Flags that the caller left out, from the server of this machine. */
async function locate(options: GlobalOptions, words: readonly string[]): Promise<string[]> {
  const session = createSession(options);
  const { url } = await session.server();
  const running = JSON.parse(await readFile(join(session.dataDir, "server.json"), "utf8").catch(() => "{}")) as Running;
  const known: Record<string, string> = {
    "--api": url,
    "--token-file": join(session.dataDir, "admin-token"),
    "--device-url": running.deviceUrl ?? "https://localhost:8443",
    "--mqtt-url": running.mqttUrl ?? "mqtts://localhost:8883",
    "--ca": join(session.dataDir, "pki", "ca.pem"),
  };
  return Object.entries(known).flatMap(([flag, value]) =>
    words.some((word) => word === flag || word.startsWith(`${flag}=`)) ? [] : [flag, value],
  );
}
