import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cliProblems } from "./exit.ts";

const apps = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Starts another of Tenfold's programs: `platform` or `simulator`. */
export function startProgram(
  app: "platform" | "simulator",
  args: readonly string[],
  options: { stdio: "inherit" | "piped"; env?: Readonly<Record<string, string>> },
): ChildProcess {
  const stdio = options.stdio === "inherit" ? ("inherit" as const) : (["ignore", "pipe", "pipe"] as ["ignore", "pipe", "pipe"]);
  return spawn(process.execPath, [join(apps, app, "src", "main.ts"), ...args], { stdio, env: { ...process.env, ...options.env } });
}

/** Runs one to its end in the foreground; signals reach it, and its exit code becomes ours. */
export async function runProgram(app: "platform" | "simulator", args: readonly string[]): Promise<void> {
  const child = startProgram(app, args, { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  process.exitCode = code ?? 1;
  if (signal !== null) throw cliProblems.program_failed(`The ${app} was ended by ${signal}.`);
}

/** Runs one to its end without showing what it prints; what it complained about stands in the failure. */
export async function runQuietly(app: "platform" | "simulator", args: readonly string[]): Promise<void> {
  const child = startProgram(app, args, { stdio: "piped" });
  let complaints = "";
  child.stdout?.resume();
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    complaints = (complaints + text).slice(-4_000);
  });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw cliProblems.program_failed(`The ${app} failed: ${complaints.trim()}`);
}
