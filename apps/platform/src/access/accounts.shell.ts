import { newId, type Scope } from "@tenfold/base";
import type { Actor, Role, ServiceAccount } from "@tenfold/contracts";
import type { AccessDeps } from "./deps.ts";
import { accessProblems } from "./errors.ts";
import { hashOf, newSecret } from "./secrets.shell.ts";
import { type AccountRow, insertAccount, revokeAccount as revokeRow } from "./store.ts";
import { append } from "./trail.shell.ts";

/** Makes an account for a program. The token is in the answer and nowhere else. */
export async function createAccount(
  { db, clock }: AccessDeps,
  scope: Scope,
  { name, role, actor }: { name: string; role: Role; actor: Actor },
): Promise<ServiceAccount & { token: string }> {
  const token = newSecret("tf");
  const id = newId("sva", clock.now());
  const row = await db.transaction().execute(async (tx) => {
    const made = await insertAccount(tx, scope, {
      id,
      name,
      role,
      tokenHash: hashOf(token),
      builtIn: "made",
      now: new Date(clock.now()),
    });
    await append(tx, scope, {
      clock,
      change: { actor, action: "service_account.created", subject: { kind: "service_account", id }, detail: { name, role } },
    });
    return made;
  });
  return { ...accountOf(row), token };
}

/** Its token is refused from the end of this call. Safe to call twice. */
export async function revokeAccount(
  { db, clock }: AccessDeps,
  scope: Scope,
  { id, actor }: { id: string; actor: Actor },
): Promise<ServiceAccount> {
  return db.transaction().execute(async (tx) => {
    const row = await revokeRow(tx, scope, { id, now: new Date(clock.now()) });
    if (row === undefined)
      throw accessProblems.service_account_unknown(`There is no service account "${id}".`, {
        field: "params.id",
        fix: "List them with `tenfold api GET /api/v1/service-accounts`.",
      });
    await append(tx, scope, {
      clock,
      change: { actor, action: "service_account.revoked", subject: { kind: "service_account", id }, detail: { name: row.name } },
    });
    return accountOf(row);
  });
}

export function accountOf({ id, name, role, createdAt, lastUsedAt, revokedAt }: AccountRow): ServiceAccount {
  return {
    id,
    name,
    role,
    createdAt: createdAt.toISOString(),
    ...(lastUsedAt ? { lastUsedAt: lastUsedAt.toISOString() } : {}),
    ...(revokedAt ? { revokedAt: revokedAt.toISOString() } : {}),
  };
}
