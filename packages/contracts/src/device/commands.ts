import { z } from "zod";

/** What a device is told to do: its own closed list decides what it knows (docs/protocol/commands.md C6). */
export const commandName = z
  .string()
  .regex(/^[a-z][a-z0-9_.-]{0,63}$/, "A command's name is lower-case letters, digits, `_`, `.`, `-`.");
export const commandArgs = z.record(z.string().min(1).max(64), z.json());

/** What comes down at `commands/{command}`. It comes again until the platform has a result: a device does it once. */
export const commandDocument = z.object({
  command: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  name: z.string().min(1).max(64),
  args: commandArgs,
  /** Seconds that are left when this is sent; a device that gets to it later refuses it. */
  deadlineS: z.number().min(0),
});
export type CommandDocument = z.infer<typeof commandDocument>;

/** What a device answers at `commands/{command}/result`. The first answer counts. */
export const commandResult = z.object({
  status: z.enum(["succeeded", "failed", "refused"]),
  /** For programs: `command_unknown`, `arguments_invalid`, `deadline_passed`, `interrupted`, `busy`, `stale`, or the device's own. */
  code: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,63}$/)
    .optional(),
  detail: z.string().max(2_000).optional(),
  output: z.json().optional(),
});
export type CommandResult = z.infer<typeof commandResult>;

/** What stands at `state/desired`: the whole document and the number of its last change. */
export const desiredDocument = z.object({ generation: z.int().min(1), state: z.record(z.string(), z.json()) });
export type DesiredDocument = z.infer<typeof desiredDocument>;

/** What a device puts at `desired` of its reported state: how far it follows, and which keys it does not understand. */
export const appliedDesired = z.object({
  generation: z.int().min(0).max(2_000_000_000),
  refused: z.array(z.string().max(200)).max(100).default([]),
});
export type AppliedDesired = z.infer<typeof appliedDesired>;
