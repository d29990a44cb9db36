import { defineProblems } from "@tenfold/base";

export const ddiProblems = defineProblems({
  ddi_certificate_required: 401,
  ddi_controller_not_own: 403,
  ddi_fleet_unknown: 404,
  ddi_action_unknown: 404,
  ddi_artifact_unknown: 404,
  ddi_action_closed: 410,
  ddi_body_unreadable: 400,
  ddi_host_unreadable: 400,
  ddi_media_type_unknown: 415,
  ddi_too_many_statuses: 429,
  ddi_too_many_attributes: 429,
});
