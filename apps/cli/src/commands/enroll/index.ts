import type { Command } from "commander";
import { enrollApprovals } from "./approvals.ts";
import { enrollLog } from "./log.ts";
import { enrollManifest } from "./manifest.ts";
import { enrollTrust } from "./trust.ts";

export function enrollCommands(program: Command): void {
  const enroll = program
    .command("enroll")
    .description("How devices come in: trust anchors, manifests, codes, approvals, attempt log");
  enrollTrust(enroll);
  enrollManifest(enroll);
  enrollApprovals(enroll);
  enrollLog(enroll);
}
