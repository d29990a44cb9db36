import { api, type Rollout } from "@tenfold/contracts";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { counted } from "../format.ts";
import { ActionButton } from "../parts/ActionButton.tsx";
import type { IconName } from "../parts/icons.tsx";
import { client } from "../queries.ts";
import { judgeRolloutChange, type RolloutVerb } from "./changes.ts";
import { effectOf } from "./effects.ts";
import { StartLink } from "./StartLink.tsx";

type Change = {
  verb: Exclude<RolloutVerb, "override-freeze">;
  word: string;
  icon: IconName;
  operation: typeof api.pauseRollout;
  danger?: true;
  /** The change that takes it back, where the engine allows that. */
  back?: { operation: typeof api.pauseRollout; says: string };
};

const changes: readonly Change[] = [
  {
    verb: "pause",
    word: "Pause",
    icon: "pause",
    operation: api.pauseRollout,
    back: { operation: api.resumeRollout, says: "The rollout is paused." },
  },
  {
    verb: "resume",
    word: "Resume",
    icon: "play",
    operation: api.resumeRollout,
    back: { operation: api.pauseRollout, says: "The rollout goes on." },
  },
  {
    verb: "cancel",
    word: "Cancel",
    icon: "cross",
    operation: api.cancelRollout,
    danger: true,
  },
  {
    verb: "rollback",
    word: "Roll back",
    icon: "undo",
    operation: api.rollBackRollout,
    danger: true,
  },
];

export function RolloutActions({ rollout }: { rollout: Rollout }) {
  const allowed = useMay(api.pauseRollout);
  return [
    <Approve key="approve" rollout={rollout} />,
    ...changes.map(({ verb, word, icon, operation, danger, back }) => (
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
        {...(back ? { undo: { says: back.says, run: () => takeBack(rollout.id, back.operation) } } : {})}
      >
        {effectOf(verb, rollout)}
      </ActionButton>
    )),
    <Override key="override" rollout={rollout} />,
    <Again key="again" rollout={rollout} />,
  ];
}

const takeBack = (id: string, operation: typeof api.pauseRollout) =>
  client.call(operation, { params: { id }, body: { reason: "taken back at once in the console" } });

/** During a freeze: lets this one rollout go on, in an emergency. */
function Override({ rollout }: { rollout: Rollout }) {
  const allowed = useMay(api.overrideFreeze);
  if (rollout.blocked?.code !== "frozen") return null;
  return (
    <ActionButton
      operation={api.overrideFreeze}
      callWith={(reason) => ({ params: { id: rollout.id }, body: { reason } })}
      verb="Go on despite the freeze"
      icon="warning"
      title={`Override the freeze: ${rollout.release.name} ${rollout.release.version}`}
      cli={cli.overrideFreeze(rollout.id)}
      allowed={judgeRolloutChange("override-freeze", rollout.phase, allowed)}
      danger
    >
      {rollout.blocked.because} This rollout goes on all the same; every other one waits. It cannot be taken back: pause the rollout
      to stop it.
    </ActionButton>
  );
}

/** Once it has ended: the same plan once more, for devices that did not get the release. */
function Again({ rollout }: { rollout: Rollout }) {
  if (!["completed", "cancelled", "halted", "rolled_back"].includes(rollout.phase)) return null;
  return <StartLink again={rollout.id} word="Try again" />;
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
      title={`Approve: ${release.name} ${release.version} for ${counted(targets, "device")}`}
      cli={cli.approveRollout(id)}
      allowed={allowed}
    >
      {approvals.given.length} of {approvals.needed} approvals are given. Yours is for the plan as it is shown here, and not for a
      later one.
    </ActionButton>
  );
}
