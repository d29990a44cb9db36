import { defineProblems } from "@tenfold/base";

export const registryProblems = defineProblems({
  device_unknown: 404,
  device_exists_elsewhere: 409,
  lifecycle_not_allowed: 409,
  group_unknown: 404,
  group_exists: 409,
  group_in_use: 409,
  group_ambiguous: 422,
  group_member_unknown: 422,
  too_many_tags: 422,
  tag_invalid: 422,
  cursor_invalid: 422,
  reported_state_too_large: 413,
});

export const unknownDevice = (id: string) =>
  registryProblems.device_unknown(`Device "${id}" is not registered.`, { fix: "See the devices with: tenfold device list" });
