import { Problem } from "@tenfold/base";
import { api } from "@tenfold/contracts";
import { guarded, type Http, httpProblems, problemDocumentOf, serve } from "../../kernel/index.ts";
import type { Access } from "../index.ts";
import { listTrusts } from "./store.ts";
import { trustView } from "./trust.ts";

/** [RFC 8693 §2.1] */
const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange";
const accessToken = "urn:ietf:params:oauth:token-type:access_token";
const subjectTypes = ["urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:jwt"];

/** Trusts of OpenID Connect issuers, and the token exchange (docs/protocol/http-api.md, A23 to A26). */
export function oidcRoutes(app: Http, access: Access): void {
  const { db } = access.deps;
  serve(app, api.listOidcTrusts, async ({ scope }) => ({ items: (await listTrusts(db, scope)).map(trustView) }));
  serve(app, api.createOidcTrust, async ({ body, scope, actor }) => {
    const conditions = Object.fromEntries(Object.entries(body.conditions).map(([claim, wanted]) => [claim, [wanted].flat()]));
    return trustView(await access.createOidcTrust({ scope, actor }, { ...body, conditions }));
  });
  serve(app, api.revokeOidcTrust, async ({ params, scope, actor }) =>
    trustView(await access.revokeOidcTrust({ scope, actor }, params.id)),
  );
  exchangeRoute(app, access);
}

/** Forms in, and OAuth's own words for what is wrong; beside them the Problem that everything else here answers. */
function exchangeRoute(app: Http, access: Access): void {
  void app.register(async (raw) => {
    raw.removeAllContentTypeParsers();
    raw.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string" }, (_request, body, done) =>
      done(null, new URLSearchParams(String(body))),
    );
    raw.setErrorHandler(async (error, _request, reply) => {
      const problem = error instanceof Problem ? error : undefined;
      // What is not ours to name goes the ordinary way.
      if (problem === undefined || problem.status === 429 || problem.status >= 500) throw error;
      const document = problemDocumentOf(problem);
      return reply
        .status(400)
        .headers({ "Cache-Control": "no-store", "Content-Type": "application/problem+json" })
        .send(JSON.stringify({ ...document, status: 400, error: oauthErrorOf(problem), error_description: problem.message }));
    });
    raw.post("/api/v1/token", { ...guarded("anyone"), bodyLimit: 64 * 1024 }, async (request, reply) => {
      const form = readForm(request.body);
      const { token, expiresInS, role } = await access.exchangeToken({ ...form, address: request.ip });
      return reply.headers({ "Cache-Control": "no-store", "Content-Type": "application/json" }).send(
        JSON.stringify({
          access_token: token,
          issued_token_type: accessToken,
          token_type: "Bearer",
          expires_in: expiresInS,
          scope: role,
        }),
      );
    });
  });
}

/** [RFC 6749 §5.2] */
const oauthErrorOf = ({ code }: Problem): string => (code.startsWith("oidc_") ? "invalid_grant" : "invalid_request");

function readForm(body: unknown): { token: string; role: string | undefined } {
  const form = body instanceof URLSearchParams ? body : new URLSearchParams();
  const wrong = (field: string, expected: string) =>
    httpProblems.input_invalid(`${field} must be ${expected}.`, { field: `body.${field}` });
  if (form.get("grant_type") !== exchangeGrant) throw wrong("grant_type", exchangeGrant);
  if (!subjectTypes.includes(form.get("subject_token_type") ?? "")) throw wrong("subject_token_type", subjectTypes.join(" or "));
  const wanted = form.get("requested_token_type");
  if (wanted !== null && wanted !== accessToken) throw wrong("requested_token_type", accessToken);
  const token = form.get("subject_token");
  if (token === null || token === "" || form.getAll("subject_token").length > 1)
    throw wrong("subject_token", "one token of the issuer");
  return { token, role: form.get("scope") ?? undefined };
}
