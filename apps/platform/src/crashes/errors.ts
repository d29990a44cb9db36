import { defineProblems } from "@tenfold/base";

export const crashProblems = defineProblems({
  crash_kind_unknown: 404,
  crash_header_invalid: 422,
  crash_empty: 422,
  crash_too_many: 429,
  crash_unknown: 404,
  crash_bytes_removed: 410,
});
