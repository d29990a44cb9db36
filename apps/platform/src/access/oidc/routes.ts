import { Problem } from "@tenfold/base";
import { api } from "@tenfold/contracts";
import { guarded, type Http, httpProblems, problemDocumentOf, serve } from "../../kernel/index.ts";
import type { Access } from "../index.ts";
import { accessToken, readExchangeForm } from "./form.ts";
import { listTrusts } from "./store.ts";
import { trustView } from "./trust.ts";

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
      const form = readExchangeForm(request.body);
      if (form.is === "refuse")
        throw httpProblems.input_invalid(`${form.field} must be ${form.expected}.`, { field: `body.${form.field}` });
      const wanted = { token: form.token, role: form.role, address: request.ip };
      const { token, expiresInS, role } = await access.exchangeToken(wanted);
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
