import { api, type Rollout } from "@tenfold/contracts";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { ActionButton } from "../parts/ActionButton.tsx";
import type { IconName } from "../parts/icons.tsx";
import { judgeRolloutChange, type RolloutVerb } from "./changes.ts";

type Change = {
  verb: RolloutVerb;
  word: string;
  icon: IconName;
  operation: typeof api.pauseRollout;
  effect: string;
  danger?: true;
};

const changes: readonly Change[] = [
  {
    verb: "pause",
    word: "Pause",
    icon: "pause",
    operation: api.pauseRollout,
    effect: "No new offers. Devices that already have one go on.",
  },
  {
    verb: "resume",
    word: "Resume",
    icon: "play",
    operation: api.resumeRollout,
    effect: "Offers go out again, from the stage where it paused.",
  },
  {
    verb: "cancel",
    word: "Cancel",
    icon: "cross",
    operation: api.cancelRollout,
    effect: "Ends it. Devices on their way are told to stop; those that took the release keep it.",
  },
  {
    verb: "rollback",
    word: "Roll back",
    icon: "undo",
    operation: api.rollBackRollout,
    effect: "Halts the rollout and brings every device that took the release back to its last known good one.",
    danger: true,
  },
];

export function RolloutActions({ rollout }: { rollout: Rollout }) {
  const allowed = useMay(api.pauseRollout);
  return [
    <Approve key="approve" rollout={rollout} />,
    ...changes.map(({ verb, word, icon, operation, effect, danger }) => (
      <ActionButton
        key={verb}
        operation={operation}
        callWith={(reason) => ({ params: { id: rollout.id }, body: { reason } })}
        verb={word}
        icon={icon}
        title={`${word}: ${rollout.release.name} ${rollout.release.version}`}
        cli={cli.changeRollout(verb, rollout.id)}
        allowed={judgeRolloutChange(verb, rollout.phase, allowed)}
        {...(danger ? { danger } : {})}
      >
        {effect}
      </ActionButton>
    )),
  ];
}

/** Approves the plan that is shown, by its hash. */
function Approve({ rollout }: { rollout: Rollout }) {
  const allowed = useMay(api.approveRollout);
  if (rollout.phase !== "awaiting_approval") return null;
  const { id, planHash, approvals, release, targets } = rollout;
  return (
    <ActionButton
      operation={api.approveRollout}
      callWith={(comment) => ({ params: { id }, body: { planHash, comment } })}
      verb="Approve"
      icon="check"
      title={`Approve: ${release.name} ${release.version} for ${targets} devices`}
      cli={cli.approveRollout(id)}
      allowed={allowed}
    >
      {approvals.given.length} of {approvals.needed} approvals are given. Yours is for the plan as it is shown here, and not for a
      later one.
    </ActionButton>
  );
}
