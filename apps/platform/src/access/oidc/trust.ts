import { type Actor, may, type OidcTrust, permissions, type Role } from "@tenfold/contracts";
import { accessProblems } from "../errors.ts";

/** A trust as it is stored. Times in ms since 1970. */
export type Trust = {
  id: string;
  fleet: string;
  name: string;
  issuer: string;
  audience: string;
  conditions: Readonly<Record<string, readonly string[]>>;
  role: Role;
  tokenLifetimeS: number;
  createdAt: number;
  lastUsedAt?: number;
  revokedAt?: number;
};

export type Claims = Readonly<Record<string, unknown>>;

const gitHub = "https://token.actions.githubusercontent.com";

/** Claims that say whose pipeline it is. A trust without one of these would let in every customer of the issuer. */
const naming = {
  github: ["repository", "repository_id", "repository_owner", "repository_owner_id", "sub", "job_workflow_ref", "enterprise_id"],
  gitlab: ["project_path", "project_id", "namespace_path", "namespace_id", "sub", "ci_config_ref_uri"],
} as const;

/** Refuses a trust that would be wider than whoever writes it can mean. */
export function assertNarrow({ issuer, conditions }: Pick<Trust, "issuer" | "conditions">): void {
  const told = Object.entries(conditions);
  if (told.length === 0)
    throw accessProblems.oidc_trust_too_wide("A trust without a condition would let in everybody who has a token of this issuer.", {
      field: "conditions",
      fix: "Name the repository or project: --repository acme/pump, or --claim sub=….",
    });
  const shape = shapeOf(issuer);
  const names: readonly string[] = shape === undefined ? told.map(([claim]) => claim) : naming[shape];
  // One star fits anything, so only a pattern that begins with letters of its own names somebody.
  const named = told.some(([claim, patterns]) => names.includes(claim) && patterns.every((pattern) => /^[^*]{2}/.test(pattern)));
  if (named) return;
  throw accessProblems.oidc_trust_too_wide(
    shape === undefined
      ? "No condition names whose token it must be: each is a bare wildcard."
      : `No condition names whose pipeline it must be: one of ${names.join(", ")}.`,
    { field: "conditions", fix: "Name the repository or project; a pattern must not begin with *." },
  );
}

function shapeOf(issuer: string): keyof typeof naming | undefined {
  if (issuer === gitHub || issuer.startsWith(`${gitHub}/`)) return "github";
  return /^https:\/\/gitlab\./.test(issuer) ? "gitlab" : undefined;
}

export type Misfit = { claim: string; wanted: readonly string[]; found: string };

/** The first condition that the claims do not meet; undefined where they meet all. A claim that is not a plain value meets none. */
export function misfitOf({ conditions }: Pick<Trust, "conditions">, claims: Claims): Misfit | undefined {
  for (const [claim, wanted] of Object.entries(conditions)) {
    const found = Object.hasOwn(claims, claim) ? plain(claims[claim]) : undefined;
    if (found === undefined || !wanted.some((pattern) => fits(pattern, found)))
      return { claim, wanted, found: found === undefined ? "nothing" : `"${found}"` };
  }
  return undefined;
}

const plain = (value: unknown): string | undefined =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;

/** `*` stands for any run of letters; everything else for itself. The whole value must fit. */
export function fits(pattern: string, value: string): boolean {
  const parts = pattern.split("*");
  const [first = "", ...rest] = parts;
  const last = rest.pop();
  if (last === undefined) return value === first;
  if (!value.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = value.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return value.length - last.length >= at && value.endsWith(last);
}

export type Choice = { is: "trusted"; trust: Trust } | { is: "refused"; because: string };

/**
 * Which of an issuer's trusts lets a token in. Of several the one that may least, unless a role was asked for: a pipeline gets no more
 * than it needs by accident.
 */
export function chooseTrust(trusts: readonly Trust[], claims: Claims, role: string | undefined): Choice {
  const audiences = new Set([claims.aud].flat().filter((one) => typeof one === "string"));
  const meant = trusts.filter((trust) => audiences.has(trust.audience));
  if (meant.length === 0)
    return {
      is: "refused",
      because: `The token is for ${[...audiences].join(", ") || "nobody"}, and no trust of this issuer takes that audience.`,
    };
  const open = meant.filter((trust) => misfitOf(trust, claims) === undefined);
  if (open.length === 0) return { is: "refused", because: meant.map((trust) => misfitLine(trust, claims)).join(" ") };
  const fitting = role === undefined ? open : open.filter((trust) => trust.role === role);
  const [chosen] = fitting.toSorted((a, b) => powerOf(a.role) - powerOf(b.role) || (a.id < b.id ? -1 : 1));
  return chosen
    ? { is: "trusted", trust: chosen }
    : { is: "refused", because: `No trust that fits this token gives the role ${role}.` };
}

function misfitLine(trust: Trust, claims: Claims): string {
  const misfit = misfitOf(trust, claims);
  return misfit ? `${trust.name}: ${misfit.claim} must be ${misfit.wanted.join(" or ")}, and is ${misfit.found}.` : "";
}

const powerOf = (role: Role): number => permissions.filter((permission) => may(role, permission)).length;

/** Who holds a token, for people: the repository and the ref where it says them. */
export function holderOf(trust: Pick<Trust, "name">, claims: Claims): string {
  const where = plain(claims.repository) ?? plain(claims.project_path) ?? plain(claims.sub) ?? "unknown";
  const ref = plain(claims.ref);
  return `${trust.name} (${where}${ref === undefined ? "" : `@${ref}`})`.slice(0, 200);
}

/** Whoever comes by a trust is the same account, run after run; the name says which run. */
export const exchangedActor = ({ id }: Pick<Trust, "id">, holder: string): Actor => ({ kind: "service_account", id, name: holder });

/** What the audit trail keeps of a token's claims: enough to find the run, and no more. */
export function tellingOf(claims: Claims): Record<string, string> {
  const telling = [
    "iss",
    "sub",
    "jti",
    "repository",
    "project_path",
    "ref",
    "sha",
    "environment",
    "run_id",
    "pipeline_id",
    "job_id",
    "actor",
    "user_login",
  ];
  return Object.fromEntries(
    telling.flatMap((claim) => (plain(claims[claim]) === undefined ? [] : [[claim, String(claims[claim]).slice(0, 300)]])),
  );
}

export function trustView({ fleet: _, createdAt, lastUsedAt, revokedAt, conditions, ...rest }: Trust): OidcTrust {
  const iso = (at: number) => new Date(at).toISOString();
  return {
    ...rest,
    conditions: Object.fromEntries(Object.entries(conditions).map(([claim, patterns]) => [claim, [...patterns]])),
    createdAt: iso(createdAt),
    ...(lastUsedAt === undefined ? {} : { lastUsedAt: iso(lastUsedAt) }),
    ...(revokedAt === undefined ? {} : { revokedAt: iso(revokedAt) }),
  };
}
