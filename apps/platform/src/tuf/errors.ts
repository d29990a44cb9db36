import { defineProblems } from "@tenfold/base";

export const tufProblems = defineProblems({
  metadata_refused: 422,
  metadata_out_of_order: 409,
  metadata_online_key_missing: 422,
  repository_not_set_up: 409,
  metadata_file_unknown: 404,
  metadata_not_yours: 403,
});
