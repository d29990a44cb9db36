import { defineProblems } from "@tenfold/base";

export const monitoringProblems = defineProblems({
  alert_unknown: 404,
  alert_resolved: 409,
  alert_rule_unknown: 404,
  alert_rule_field_unused: 422,
  alert_cursor_invalid: 422,
});
