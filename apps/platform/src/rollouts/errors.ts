import { defineProblems } from "@tenfold/base";

export const rolloutProblems = defineProblems({
  rollout_unknown: 404,
  rollout_not_halted: 404,
  rollout_phase_conflict: 409,
  rollout_stages_invalid: 422,
  rollout_duration_invalid: 422,
  rollout_window_invalid: 422,
  rollout_prerequisite_unknown: 422,
  rollout_plan_unknown: 404,
  rollout_device_unknown: 404,
  freeze_unknown: 404,
  freeze_invalid: 422,
  update_pin_unknown: 404,
  update_pin_invalid: 422,
  approval_by_author: 403,
  approval_of_other_plan: 409,
  rollout_release_unusable: 422,
  rollout_without_targets: 422,
  idempotency_key_reused: 409,
});
