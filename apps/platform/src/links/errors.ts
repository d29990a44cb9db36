import { defineProblems } from "@tenfold/base";

export const linkProblems = defineProblems({
  device_certificate_required: 401,
  device_not_admitted: 403,
  device_too_fast: 429,
  device_topic_unknown: 404,
  intake_unavailable: 503,
});
