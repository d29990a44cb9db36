import { type Command, Option } from "commander";
import { createSession, type GlobalOptions, type Session } from "./context.ts";
import { exitCodeOf, explainFailure } from "./exit.ts";

export type Flags = Record<string, string | boolean | string[] | undefined>;
/** What a command was given: its words in order (a list word comes joined by spaces, and in `rest` one by one), and its own flags. */
export type Given = { words: string[]; flags: Flags; rest: string[] };

export type Verb = {
  /** As commander writes it: `show <id>`, `list [filter...]`. */
  usage: string;
  summary: string;
  /** `["--limit <n>", "at most this many", "100"]` */
  flags?: [flag: string, meaning: string, otherwise?: string][];
  /** One working line for the help. */
  example?: string;
  run: (session: Session, given: Given) => Promise<void>;
};

/** Adds a verb to a noun (or to the program itself). Failures end in one place, with the documented exit code. */
export function addVerb(noun: Command, { usage, summary, flags = [], example, run }: Verb): void {
  const command = noun.command(usage).summary(summary).description(summary);
  for (const [flag, meaning, otherwise] of flags)
    command.addOption(otherwise === undefined ? new Option(flag, meaning) : new Option(flag, meaning).default(otherwise));
  if (example !== undefined) command.addHelpText("after", `\nExample:\n  $ tenfold ${example}`);
  command.action(async (...given: unknown[]) => {
    const own = command.opts<Flags>();
    const words = given
      .slice(0, -2)
      .flatMap((word) => (Array.isArray(word) ? [word.join(" ")] : word === undefined ? [] : [String(word)]));
    const rest = given.slice(0, -2).flatMap((word) => (Array.isArray(word) ? word.map(String) : []));
    await attempt(async () => run(createSession(command.optsWithGlobals<GlobalOptions>()), { words, flags: own, rest }));
  });
}

async function attempt(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    process.stderr.write(`${explainFailure(error)}\n`);
    process.exitCode = exitCodeOf(error);
  }
}

/** A flag's text, or undefined where it was not given. */
export const text = (flags: Flags, name: string): string | undefined => (typeof flags[name] === "string" ? flags[name] : undefined);

/** The texts of a flag that may be given several times. */
export const texts = (flags: Flags, name: string): string[] => {
  const given = flags[name];
  return Array.isArray(given) ? given : [];
};

/** The word at a place; commander has made sure that required ones are there. */
export const word = (given: Given, index: number): string => given.words[index] ?? "";
