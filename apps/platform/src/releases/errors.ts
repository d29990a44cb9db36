import { defineProblems } from "@tenfold/base";

export const releaseProblems = defineProblems({
  artifact_unknown: 404,
  artifact_hash_invalid: 422,
  artifact_range_unsatisfiable: 422,
  artifact_size_mismatch: 422,
  release_unknown: 404,
  release_ambiguous: 409,
  release_exists: 409,
  release_in_use: 409,
  release_stone_unknown: 422,
  release_untrusted: 422,
  signing_key_exists: 409,
  signing_key_unknown: 404,
});
