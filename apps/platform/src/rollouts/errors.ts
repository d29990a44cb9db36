import { defineProblems } from "@tenfold/base";

export const rolloutProblems = defineProblems({
  rollout_unknown: 404,
  rollout_phase_conflict: 409,
  rollout_stages_invalid: 422,
  rollout_duration_invalid: 422,
  rollout_release_unusable: 422,
  rollout_without_targets: 422,
  idempotency_key_reused: 409,
});
