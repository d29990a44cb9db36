import type { Command } from "commander";
import { apiCommand } from "./api.ts";
import { demoCommand } from "./demo.ts";
import { doctorCommand } from "./doctor.ts";
import { limitsCommand } from "./limits.ts";
import { loginCommand } from "./login.ts";
import { openCommand } from "./open.ts";
import { statusCommand } from "./status.ts";
import { upCommand } from "./up.ts";

/** The verbs that stand alone. */
export function serverCommands(program: Command): void {
  for (const add of [upCommand, demoCommand, statusCommand, doctorCommand, limitsCommand, openCommand, loginCommand, apiCommand])
    add(program);
}
