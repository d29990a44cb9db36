import { api } from "@tenfold/contracts";
import type { Command } from "commander";
import { addVerb, word } from "../../verb.ts";
import { describeRollout } from "./describe.ts";

export function rolloutReport(rollout: Command): void {
  addVerb(rollout, {
    usage: "report <id>",
    summary: "What happened and why: decisions, reasons of failure, harmed devices",
    async run(session, given) {
      const report = await (await session.client()).call(api.getRolloutReport, { params: { id: word(given, 0) } });
      session.out.one(report, () => [
        ...describeRollout(report.rollout),
        "",
        "Decisions",
        ...report.decisions.map((one) => `  ${one.at} ${one.decision}: ${one.because}`),
        ...(report.reasons.length > 0
          ? ["", "Reasons of failure", ...report.reasons.map((one) => `  ${one.devices} devices: ${one.reason}`)]
          : []),
        ...(report.harmed.length > 0
          ? ["", "Harmed devices", ...report.harmed.map(({ device, ...end }) => `  ${device}: ${endOf(end)}`)]
          : []),
      ]);
    },
  });
}

/** How it ended, why, and what the device said of that: of refused metadata, whose it is. */
const endOf = ({ state, reason, detail }: { state: string; reason?: string | undefined; detail?: string | undefined }): string =>
  [[state, reason].filter((part) => part !== undefined).join(", "), detail].filter((part) => part !== undefined).join(": ");
