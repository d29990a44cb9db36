import { readFileSync } from "node:fs";
import { CommanderError } from "commander";
import { exitCodes } from "./exit.ts";
import { createProgram } from "./program.ts";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
const program = createProgram();
// `--version` alone asks for ours; behind a command it is a release's.
if (process.argv.length === 3 && /^(-V|--version)$/.test(process.argv[2] ?? "")) {
  process.stdout.write(`${version}\n`);
  process.exit(0);
}
for (const command of [program, ...program.commands, ...program.commands.flatMap((noun) => noun.commands)]) command.exitOverride();
// A reader that closes the pipe early (`| head`) is not an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 || error.code === "commander.help" ? exitCodes.ok : exitCodes.usage;
}
