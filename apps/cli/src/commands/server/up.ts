import type { Command } from "commander";
import { runProgram } from "../../child.ts";
import { addVerb, text } from "../../verb.ts";

export function upCommand(program: Command): void {
  addVerb(program, {
    usage: "up",
    summary: "Starts the server: console, API and device endpoints, with embedded engines unless told otherwise",
    flags: [["--config <file>", "a YAML file with settings"]],
    example: "up --data /var/lib/tenfold",
    async run(session, { flags }) {
      const config = text(flags, "config");
      await runProgram("platform", ["--data", session.dataDir, ...(config === undefined ? [] : ["--config", config])]);
    },
  });
}
