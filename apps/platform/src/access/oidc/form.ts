/** [RFC 8693 §2.1] */
const exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange";
export const accessToken = "urn:ietf:params:oauth:token-type:access_token";
const subjectTypes = ["urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:jwt"];

export type ExchangeForm =
  | { is: "form"; token: string; role: string | undefined }
  | { is: "refuse"; field: string; expected: string };

/** What a token exchange is asked with; what is no form, another grant, or more than one token is refused at its field. */
export function readExchangeForm(body: unknown): ExchangeForm {
  const form = body instanceof URLSearchParams ? body : new URLSearchParams();
  const refuse = (field: string, expected: string): ExchangeForm => ({ is: "refuse", field, expected });
  if (form.get("grant_type") !== exchangeGrant) return refuse("grant_type", exchangeGrant);
  if (!subjectTypes.includes(form.get("subject_token_type") ?? "")) return refuse("subject_token_type", subjectTypes.join(" or "));
  const wanted = form.get("requested_token_type");
  if (wanted !== null && wanted !== accessToken) return refuse("requested_token_type", accessToken);
  const token = form.get("subject_token");
  if (token === null || token === "" || form.getAll("subject_token").length > 1)
    return refuse("subject_token", "one token of the issuer");
  return { is: "form", token, role: form.get("scope") ?? undefined };
}
