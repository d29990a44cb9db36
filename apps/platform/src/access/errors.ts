import { defineProblems } from "@tenfold/base";

export const accessProblems = defineProblems({
  token_invalid: 401,
  link_invalid: 410,
  service_account_unknown: 404,
  cursor_invalid: 422,
  oidc_trust_unknown: 404,
  oidc_trust_exists: 409,
  oidc_trust_too_wide: 422,
  oidc_issuer_invalid: 422,
  oidc_token_refused: 403,
  oidc_token_spent: 403,
  oidc_issuer_unreachable: 503,
});
