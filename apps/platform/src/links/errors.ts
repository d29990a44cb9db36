import { defineProblems } from "@tenfold/base";

export const linkProblems = defineProblems({
  device_certificate_required: 401,
  device_not_admitted: 403,
  device_too_fast: 429,
  device_topic_unknown: 404,
  content_encoding_unsupported: 415,
  content_encoding_invalid: 422,
  batch_too_long: 413,
  intake_unavailable: 503,
});
