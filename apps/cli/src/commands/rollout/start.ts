import { humanDuration, moneyWord, parseDuration } from "@tenfold/base";
import { api, type RolloutPreview } from "@tenfold/contracts";
import type { Command } from "commander";
import { addVerb, word } from "../../verb.ts";
import { describeRollout } from "./describe.ts";
import { onceFlag, startKey } from "./once.ts";
import { planFlags, readPlan } from "./plan.ts";

/** `rollout plan` shows what `rollout start` with the same flags would do. */
export function rolloutStart(rollout: Command): void {
  addVerb(rollout, {
    usage: "plan <release>",
    summary: "A dry run: who would be updated when, and the most that a bad release could harm in the canary",
    flags: planFlags,
    async run(session, given) {
      const preview = await (await session.client()).call(api.previewRollout, { body: readPlan(word(given, 0), given.flags) });
      session.out.one(preview, () => describePreview(preview));
    },
  });
  addVerb(rollout, {
    usage: "start <release>",
    summary: "Starts a staged rollout of a release (id or version)",
    flags: [...planFlags, onceFlag],
    example: "rollout start 2.0.0 --filter 'tag:site=berlin' --stages 5%,25%,100%",
    async run(session, given) {
      const client = await session.client();
      const plan = readPlan(word(given, 0), given.flags);
      const preview = await client.call(api.previewRollout, { body: plan });
      if (session.options.dryRun)
        return session.out.one(preview, () => [...describeTakenBack(preview), `Would update ${preview.targets} devices.`]);
      await session.confirm([...describeTakenBack(preview), `Start a rollout to ${preview.targets} devices?`].join(" "));
      const started = await client.call(api.startRollout, { body: plan }, { idempotencyKey: startKey(given.flags) });
      session.out.one(started, () => [
        ...describeTakenBack(preview),
        ...describeRollout(started),
        `Follow it: tenfold rollout watch ${started.id}`,
      ]);
    },
  });
}

const describeTakenBack = ({ takenBack }: RolloutPreview): string[] =>
  takenBack ? [`This release was taken back before (${takenBack.rollout}, ${takenBack.at}): ${takenBack.because}`] : [];

function describePreview(preview: RolloutPreview): string[] {
  const { targets, bytes, cost, worstCaseExposed, estimate, stages, strata, detours, excluded, approvalsNeeded, blocked } = preview;
  return [
    ...describeTakenBack(preview),
    `${targets} devices, ${bytes} bytes in all${cost ? ` (${moneyWord(cost)})` : ""}, at most ${worstCaseExposed} exposed before the first gate.`,
    `Ends ${estimate.endsAt}, if all goes well: ${humanDuration(parseDuration(estimate.takes) ?? 0)}.`,
    ...(approvalsNeeded > 0 ? [`${approvalsNeeded} ${approvalsNeeded === 1 ? "person" : "people"} must approve it first.`] : []),
    ...(blocked ? [`It would wait: ${blocked.because}${blocked.until ? ` Until ${blocked.until}.` : ""}`] : []),
    ...stages.map(
      (stage, i) =>
        `  stage ${i + 1}: up to ${Math.round(stage.share * 100)} %, ${stage.devices} devices, ${humanDuration(parseDuration(stage.takes) ?? 0)}, worst case ${stage.worstCaseExposed} exposed`,
    ),
    ...detours.map(
      ({ over, devices, waitsFor = [] }) =>
        `  ${devices} devices go over ${over.join(", then ")} first${waitsFor.length > 0 ? `, once ${waitsFor.join(" and ")} completed` : ""}`,
    ),
    ...strata.map(({ stratum, devices, canary }) => `  ${stratum}: ${devices} devices, ${canary} in the canary`),
    ...excluded.map(({ because, devices }) => `  left out: ${devices} devices, ${because}`),
    ...estimate.assumptions.map((one) => `  assumed: ${one}`),
  ];
}
