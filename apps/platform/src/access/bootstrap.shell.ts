import { mkdir, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { defaultScope, newId } from "@tenfold/base";
import type { Actor } from "@tenfold/contracts";
import { sql } from "kysely";
import type { AccessDeps } from "./deps.ts";
import { hashOf, newSecret } from "./secrets.shell.ts";
import { makeLink } from "./sign-in.shell.ts";
import { findBuiltIn, hasPeople, insertAccount, revokeAccount, withdrawSetUpLinks } from "./store.ts";
import { append } from "./trail.shell.ts";

/** Who acts when nobody asked: Tenfold itself. */
export const systemActor: Actor = { kind: "system", id: "tenfold", name: "Tenfold" };

export type Bootstrap = { dataDir: string /** Where a browser reaches the console. */; baseUrl: string };

export type Bootstrapped = {
  /** The file with the admin service account's token, mode 0600. */
  tokenFile: string;
  /** Until somebody has signed in: the one-time link that makes the first administrator. */
  setUpUrl?: string;
};

/**
 * Makes sure that somebody can get in: the admin service account whose token stands in `dataDir/admin-token`, and a set-up link while
 * there are no people. Run at every start; a file that is missing or does not fit gets a new token, and the old token dies.
 */
export async function bootstrap(deps: AccessDeps, { dataDir, baseUrl }: Bootstrap): Promise<Bootstrapped> {
  const tokenFile = join(dataDir, "admin-token");
  await ensureAdminToken(deps, tokenFile);
  const token = await renewSetUpLink(deps);
  return { tokenFile, ...(token === undefined ? {} : { setUpUrl: `${baseUrl}/setup#${token}` }) };
}

async function ensureAdminToken({ db, clock, log }: AccessDeps, tokenFile: string): Promise<void> {
  const written = await readFile(tokenFile, "utf8").catch(() => undefined);
  const token = newSecret("tf");
  const renewed = await db.transaction().execute(async (tx) => {
    await sql`lock table access.service_account in share row exclusive mode`.execute(tx);
    const account = await findBuiltIn(tx);
    if (account && written !== undefined && account.tokenHash.equals(hashOf(written.trim()))) return false;
    const now = new Date(clock.now());
    if (account) await revokeAccount(tx, { fleet: account.fleet }, { id: account.id, now });
    const id = newId("sva", clock.now());
    await insertAccount(tx, defaultScope, { id, name: "admin", role: "admin", tokenHash: hashOf(token), builtIn: "built_in", now });
    const change = {
      actor: systemActor,
      action: "service_account.created",
      subject: { kind: "service_account", id },
      detail: { name: "admin", role: "admin", ...(account ? { replaces: account.id } : {}) },
    };
    await append(tx, defaultScope, { clock, change });
    return true;
  });
  if (!renewed) return;
  // After the record: a crash in between leaves a file that does not fit, and the next start makes both anew.
  await writePrivately(tokenFile, `${token}\n`);
  log.info("access.admin_token_written", { file: tokenFile });
}

async function renewSetUpLink(deps: AccessDeps): Promise<string | undefined> {
  return deps.db.transaction().execute(async (tx) => {
    if (await hasPeople(tx)) return undefined;
    await withdrawSetUpLinks(tx);
    return (await makeLink(tx, defaultScope, { deps, purpose: "set_up", name: null, role: "admin" })).token;
  });
}

async function writePrivately(file: string, text: string): Promise<void> {
  await mkdir(join(file, ".."), { recursive: true });
  const fresh = `${file}.new`;
  const handle = await open(fresh, "w", 0o600);
  try {
    await handle.chmod(0o600);
    await handle.writeFile(text);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(fresh, file);
}
