import type { Command } from "commander";
import { runProgram } from "../../child.ts";
import { addVerb, text } from "../../verb.ts";

export function upCommand(program: Command): void {
  addVerb(program, {
    usage: "up",
    summary: "Starts the server: console, API and device endpoints, with embedded engines unless told otherwise",
    flags: [
      ["--config <file>", "a YAML file with settings"],
      ["--roles <roles>", "what this process does, of api, links, intake, loops; all of it unless told otherwise"],
    ],
    example: "up --data /var/lib/tenfold",
    async run(session, { flags }) {
      const given = ["config", "roles"].flatMap((name) => {
        const value = text(flags, name);
        return value === undefined ? [] : [`--${name}`, value];
      });
      await runProgram("platform", ["--data", session.dataDir, ...given]);
    },
  });
}
