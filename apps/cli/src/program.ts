import { Command } from "commander";
import { accountCommands } from "./commands/account/index.ts";
import { alertCommands } from "./commands/alert/index.ts";
import { artifactCommands } from "./commands/artifact/index.ts";
import { attestCommands } from "./commands/attest/index.ts";
import { auditCommands } from "./commands/audit/index.ts";
import { commandCommands } from "./commands/command/index.ts";
import { deviceCommands } from "./commands/device/index.ts";
import { enrollCommands } from "./commands/enroll/index.ts";
import { groupCommands } from "./commands/group/index.ts";
import { identityCommands } from "./commands/identity/index.ts";
import { kpiCommands } from "./commands/kpi/index.ts";
import { releaseCommands } from "./commands/release/index.ts";
import { retentionCommands } from "./commands/retention/index.ts";
import { rolloutCommands } from "./commands/rollout/index.ts";
import { serverCommands } from "./commands/server/index.ts";
import { simCommands } from "./commands/sim/index.ts";
import { stateCommands } from "./commands/state/index.ts";
import { telemetryCommands } from "./commands/telemetry/index.ts";
import { tufCommands } from "./commands/tuf/index.ts";

/** The whole command line: `tenfold <noun> <verb>`, and the few verbs that stand alone. */
export function createProgram(): Command {
  const program = new Command("tenfold")
    .description("A fleet of devices, from pilot to production.")
    .option("--json", "one JSON object instead of text")
    .option("--jsonl", "one JSON object a line")
    .option("--url <url>", "the server (else TENFOLD_URL, else the data folder's)")
    .option("--token <token>", "a service account's token (else TENFOLD_TOKEN, else the data folder's)")
    .option("--data <dir>", "the data folder of a server on this machine (else TENFOLD_DATA, else ./data)")
    .option("--no-input", "never ask; fail instead")
    .option("--yes", "answer every question with yes")
    .option("--dry-run", "say what would be done to devices, and do nothing")
    .addHelpText("after", "\n  --version             the version of this program\n\nEvery command explains itself with --help.")
    .showSuggestionAfterError()
    .showHelpAfterError("(add --help for the usage)")
    .configureHelp({ showGlobalOptions: false });
  serverCommands(program);
  for (const add of [
    deviceCommands,
    commandCommands,
    stateCommands,
    enrollCommands,
    attestCommands,
    identityCommands,
    groupCommands,
    artifactCommands,
    releaseCommands,
    tufCommands,
    rolloutCommands,
    alertCommands,
    kpiCommands,
    telemetryCommands,
    retentionCommands,
    simCommands,
    auditCommands,
    accountCommands,
  ])
    add(program);
  return program;
}
