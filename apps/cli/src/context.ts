import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { type ApiClient, createClient } from "@tenfold/contracts";
import { cliProblems } from "./exit.ts";
import { createOutput, type Output } from "./output.ts";
import { tokenBySignIn } from "./sign-in.ts";

export type GlobalOptions = {
  json?: boolean;
  jsonl?: boolean;
  url?: string;
  token?: string;
  data?: string;
  input?: boolean;
  yes?: boolean;
  dryRun?: boolean;
};

/** Where the server is and how to be let in. */
export type Server = { url: string; token?: string; dataDir: string };

/** What every command works with. */
export type Session = {
  readonly options: GlobalOptions;
  readonly out: Output;
  readonly dataDir: string;
  /** The server: by flags, TENFOLD_URL and TENFOLD_TOKEN, or the data folder on this machine. */
  server(): Promise<Server>;
  client(): Promise<ApiClient>;
  /** Asks before something that touches devices; `--yes` answers, and where nobody can be asked the command is refused. */
  confirm(question: string): Promise<void>;
};

export function createSession(options: GlobalOptions): Session {
  const { env } = process;
  const terminal = process.stdout.isTTY === true;
  const out = createOutput({
    json: options.json === true,
    jsonl: options.jsonl === true,
    env,
    terminal,
    watched: process.stderr.isTTY === true && !env.CI,
    write: (text) => void process.stdout.write(text),
    writeNote: (text) => void process.stderr.write(text),
  });
  const dataDir = resolve(options.data ?? env.TENFOLD_DATA ?? "data");
  const server = () => findServer({ options, env, dataDir });
  return {
    options,
    out,
    dataDir,
    server,
    client: async () => {
      const { url, token } = await server();
      // Where no token was given, one is got by signing in, and got anew when it ends: a rollout can be watched for longer than it lasts.
      return createClient({ baseUrl: url, token: token ?? (() => tokenBySignIn(env, url)) });
    },
    confirm: (question) => confirm(question, { options, terminal }),
  };
}

type Finding = { options: GlobalOptions; env: Readonly<Record<string, string | undefined>>; dataDir: string };

async function findServer({ options, env, dataDir }: Finding): Promise<Server> {
  const running = await readJson(join(dataDir, "server.json"));
  const url = options.url ?? env.TENFOLD_URL ?? running?.url ?? "http://127.0.0.1:8080";
  // A pipeline that has no secret often sets the variable all the same, to nothing.
  const given = env.TENFOLD_TOKEN === "" ? undefined : env.TENFOLD_TOKEN;
  const here = url === running?.url || (options.url ?? env.TENFOLD_URL) === undefined;
  const token = options.token ?? given ?? (here ? await readText(join(dataDir, "admin-token")) : undefined);
  return { url, dataDir, ...(token === undefined ? {} : { token }) };
}

async function readText(path: string): Promise<string | undefined> {
  return (await readFile(path, "utf8").catch(() => undefined))?.trim();
}

async function readJson(path: string): Promise<{ url?: string } | undefined> {
  const text = await readText(path);
  return text === undefined ? undefined : (JSON.parse(text) as { url?: string });
}

async function confirm(question: string, { options, terminal }: { options: GlobalOptions; terminal: boolean }): Promise<void> {
  if (options.yes) return;
  if (!terminal || options.input === false)
    throw cliProblems.not_confirmed(`${question} Nobody is here to answer.`, { fix: "Add --yes to go on without asking." });
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await reader.question(`${question} [y/N] `);
  reader.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw cliProblems.not_confirmed("Nothing was changed.");
}
