import { defineProblems } from "@tenfold/base";

export const commandProblems = defineProblems({
  command_unknown: 404,
  command_ended: 409,
  command_target_invalid: 422,
  command_device_not_active: 409,
  command_queue_full: 409,
  command_deadline_invalid: 422,
  desired_generation_conflict: 409,
  document_too_large: 413,
  document_not_text: 422,
});

export const unknownCommand = (id: string) =>
  commandProblems.command_unknown(`There is no command "${id}".`, { fix: "See `tenfold command list`." });
