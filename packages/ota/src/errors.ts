import { defineProblems } from "@tenfold/base";

/** What a caller did wrong. What a stranger sent is never an error here: it is a verdict. */
export const otaProblems = defineProblems({
  signing_key_unreadable: 422,
  signing_key_unsupported: 422,
  release_statement_invalid: 422,
  signature_threshold_invalid: 422,
});
