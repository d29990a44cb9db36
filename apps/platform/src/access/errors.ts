import { defineProblems } from "@tenfold/base";

export const accessProblems = defineProblems({
  token_invalid: 401,
  link_invalid: 410,
  service_account_unknown: 404,
  cursor_invalid: 422,
});
