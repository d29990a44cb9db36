import { Problem } from "@tenfold/base";
import { z } from "zod";
import { type CiIdentity, ciIdentity } from "./ci-identity.ts";
import { type Credential, findCredential, keepCredential } from "./credentials.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const exchanged = z.object({ access_token: z.string(), expires_in: z.number(), scope: z.string() });
const refusal = z.object({ code: z.string(), detail: z.string(), fix: z.string().optional(), status: z.number() });
const deadlineMs = 30_000;

export type Wish = { url: string; audience?: string | undefined; role?: string | undefined };

/** Exchanges the job's own token for one of the server's (RFC 8693) and keeps it. */
export async function signIn(env: Environment, identity: CiIdentity, { url, audience, role }: Wish): Promise<Credential> {
  const form = new URLSearchParams({
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
    subject_token: await identity.token(audience ?? env.TENFOLD_OIDC_AUDIENCE ?? new URL(url).origin),
    ...(role === undefined ? {} : { scope: role }),
  });
  const answer = await fetch(new URL("/api/v1/token", url), {
    method: "POST",
    body: form,
    signal: AbortSignal.timeout(deadlineMs),
  }).catch((cause: unknown) => {
    throw new Problem({ code: "unreachable", status: 503 }, `No Tenfold server answers at ${url}.`, { cause });
  });
  const told: unknown = await answer.json().catch(() => undefined);
  if (!answer.ok) throw refusedBy(told, answer.status);
  const { access_token: token, expires_in: lasts, scope } = exchanged.parse(told);
  const credential = { token, role: scope, expiresAt: new Date(Date.now() + lasts * 1_000).toISOString() };
  await keepCredential(env, url, credential);
  return credential;
}

/** The token of an earlier sign-in, or of a new one where this is a job that can show who it is; renewed when it is about to end. */
export async function tokenBySignIn(env: Environment, url: string): Promise<string | undefined> {
  const found = await findCredential(env, url);
  if (found) return found.token;
  const identity = ciIdentity(env);
  return identity && (await signIn(env, identity, { url })).token;
}

function refusedBy(told: unknown, status: number): Problem {
  const { data } = refusal.safeParse(told);
  // A Problem knows only the statuses of our own server, and this is one of them.
  if (!data) return new Problem({ code: "unexpected_answer", status: 500 }, `The server answered ${status} to the sign-in.`);
  return new Problem(
    { code: data.code, status: data.status === 400 ? 403 : (data.status as 503) },
    data.detail,
    data.fix ? { fix: data.fix } : {},
  );
}
