import { createHash } from "node:crypto";
import { minutes, seconds } from "@tenfold/base";
import { createRemoteJWKSet, decodeJwt, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import { z } from "zod";
import type { Clock } from "../../kernel/index.ts";
import { accessProblems } from "../errors.ts";

/** Signatures that are believed. No symmetric ones: a shared secret would be somebody's to leak; and never `none`. */
const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];
const deadlineMs = seconds(5);
const metadataLivesMs = minutes(60);
/** Issuers whose keys are remembered. Only configured ones are ever asked, so this is a bound and no cache policy. */
const mostIssuers = 100;

export type Assertion = { claims: JWTPayload; jti: string; expiresAt: number };

export type Issuers = {
  /** Judges a token against the keys of its issuer, whose name the caller has found among the trusts. Throws `oidc_token_refused` or `oidc_issuer_unreachable`. */
  verify(token: string, issuer: string): Promise<Assertion>;
};

export type IssuersOptions = {
  clock: Clock;
  /** How long an unknown key id is answered from memory before the keys are fetched anew: a stranger must not make us hammer an issuer. */
  cooldownMs?: number;
};

/** The issuer that a token claims. It is believed in no way: it only says whose keys to look for, if that issuer is trusted at all. */
export function claimedIssuer(token: string): string {
  try {
    const { iss } = decodeJwt(token);
    if (typeof iss === "string") return iss;
  } catch (cause) {
    throw refused("It is no JSON Web Token.", cause);
  }
  throw refused("It names no issuer (iss).");
}

export function createIssuers({ clock, cooldownMs = seconds(30) }: IssuersOptions): Issuers {
  const known = new Map<string, { keys: JWTVerifyGetKey; at: number }>();

  async function keysOf(issuer: string): Promise<JWTVerifyGetKey> {
    const found = known.get(issuer);
    if (found && performance.now() - found.at < metadataLivesMs) return found.keys;
    const keys = createRemoteJWKSet(await discover(issuer), {
      timeoutDuration: deadlineMs,
      cooldownDuration: cooldownMs,
      cacheMaxAge: minutes(10),
    });
    known.delete(issuer);
    known.set(issuer, { keys, at: performance.now() });
    const oldest = known.size > mostIssuers ? known.keys().next().value : undefined;
    if (oldest !== undefined) known.delete(oldest);
    return keys;
  }

  return {
    async verify(token, issuer) {
      const keys = await keysOf(issuer);
      try {
        const { payload } = await jwtVerify(token, keys, {
          issuer,
          algorithms,
          clockTolerance: "30s",
          currentDate: new Date(clock.now()),
          requiredClaims: ["exp", "iat", "sub", "aud"],
          maxTokenAge: "24h",
        });
        // Required above, and checked to be a number.
        const expiresAt = (payload.exp ?? 0) * 1_000;
        return { claims: payload, jti: payload.jti ?? createHash("sha256").update(token).digest("hex"), expiresAt };
      } catch (cause) {
        throw verdictOf(cause, issuer);
      }
    },
  };
}

function verdictOf(cause: unknown, issuer: string): Error {
  if (cause instanceof errors.JWTExpired) return refused("It has expired.", cause);
  if (cause instanceof errors.JWTClaimValidationFailed)
    return refused(`Its claim ${cause.claim} is not as it must be (${cause.reason}).`, cause);
  if (cause instanceof errors.JOSEAlgNotAllowed) return refused("It is signed by an algorithm that is not believed here.", cause);
  if (cause instanceof errors.JWSSignatureVerificationFailed) return refused("Its signature does not hold.", cause);
  if (cause instanceof errors.JWKSNoMatchingKey) return refused(`It is signed by a key that ${issuer} does not have.`, cause);
  if (cause instanceof errors.JWKSTimeout) return unreachable(issuer, cause);
  if (cause instanceof errors.JWSInvalid || cause instanceof errors.JWTInvalid || cause instanceof errors.JOSENotSupported)
    return refused("It is no signed JSON Web Token.", cause);
  // What is left comes from the network: no answer, no JSON, another status.
  return unreachable(issuer, cause);
}

const metadata = z.object({ issuer: z.string(), jwks_uri: z.url() });

/** [OpenID Connect Discovery 1.0 §4] The document must name the very issuer that was asked (§4.3). */
async function discover(issuer: string): Promise<URL> {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  let document: z.infer<typeof metadata>;
  try {
    const answer = await fetch(url, {
      signal: AbortSignal.timeout(deadlineMs),
      redirect: "error",
      headers: { accept: "application/json" },
    });
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
    document = metadata.parse(await answer.json());
  } catch (cause) {
    throw unreachable(issuer, cause);
  }
  if (document.issuer !== issuer) throw refused(`${url} is the document of ${document.issuer}, not of ${issuer}.`);
  const keys = new URL(document.jwks_uri);
  if (!isSafe(keys)) throw refused(`The keys of ${issuer} would come from ${keys.href} without TLS.`);
  return keys;
}

/** TLS, or this very machine. */
export const isSafe = ({ protocol, hostname }: URL): boolean =>
  protocol === "https:" || (protocol === "http:" && ["127.0.0.1", "localhost", "[::1]"].includes(hostname));

const refused = (why: string, cause?: unknown) =>
  accessProblems.oidc_token_refused(`The token is not believed. ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    fix: "See which trusts there are: tenfold account trusts.",
  });

const unreachable = (issuer: string, cause: unknown) =>
  accessProblems.oidc_issuer_unreachable(`The keys of ${issuer} could not be fetched.`, {
    cause,
    retryAfterS: 10,
    fix: "The server must reach the issuer over HTTPS; try again.",
  });
