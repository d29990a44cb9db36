import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";

/** Tokens that were got by signing in, by the server that gave them. Short-lived; the file is its owner's alone. */
const kept = z.record(z.string(), z.object({ token: z.string(), expiresAt: z.iso.datetime(), role: z.string() }));
export type Credential = z.infer<typeof kept>[string];

type Environment = Readonly<Record<string, string | undefined>>;

const pathOf = (env: Environment): string => join(env.XDG_CONFIG_HOME ?? join(homedir(), ".config"), "tenfold", "credentials.json");

/** The credential for a server, if it lasts for a minute more. */
export async function findCredential(env: Environment, url: string, now = Date.now()): Promise<Credential | undefined> {
  const found = (await read(env))[originOf(url)];
  return found && Date.parse(found.expiresAt) - now > 60_000 ? found : undefined;
}

export async function keepCredential(env: Environment, url: string, credential: Credential): Promise<void> {
  const path = pathOf(env);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const all = { ...(await read(env)), [originOf(url)]: credential };
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify(all, null, 2)}\n`, { mode: 0o600 });
  await chmod(temporary, 0o600);
  await rename(temporary, path);
}

async function read(env: Environment): Promise<z.infer<typeof kept>> {
  const text = await readFile(pathOf(env), "utf8").catch(() => "{}");
  try {
    return kept.parse(JSON.parse(text));
  } catch {
    // A damaged file only costs another sign-in.
    return {};
  }
}

const originOf = (url: string): string => (URL.canParse(url) ? new URL(url).origin : url);
