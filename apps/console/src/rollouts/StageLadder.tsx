import { humanDuration, parseDuration } from "@tenfold/base";
import type { Rollout, RolloutDecision, StageProgress } from "@tenfold/contracts";
import { count, counted, localTimes } from "../format.ts";
import { Icon } from "../parts/icons.tsx";
import { StackBar } from "../parts/StackBar.tsx";
import { stageLook, toneColor } from "../parts/tones.ts";
import { When } from "../parts/When.tsx";
import { GateMeter } from "./GateMeter.tsx";
import classes from "./ladder.module.css";
import { evidenceGate, haltOf, neverReached, partsOf, shareGate, stageName, stageReach, updatingNow } from "./ladder.ts";

/** The picture of a rollout: its stages as rungs that reach further and further, and the gate that each must pass. */
export function StageLadder({ rollout, decisions }: { rollout: Rollout; decisions: readonly RolloutDecision[] }) {
  return (
    <ol className={classes.ladder} aria-label="Stages">
      {rollout.stages.map((stage) => (
        <Rung key={stage.index} stage={stage} rollout={rollout} halt={haltOf(decisions, stage.index)} />
      ))}
    </ol>
  );
}

function Rung({ stage, rollout, halt }: { stage: StageProgress; rollout: Rollout; halt: RolloutDecision | undefined }) {
  const look = stageLook[stage.state];
  const evidence = stage.state === "halted" ? evidenceGate(halt?.evidence) : undefined;
  const never = neverReached(stage, rollout.phase);
  // The square root keeps a canary of 1 % visible beside a stage of 100 %.
  const reach = `${Math.max(12, Math.sqrt(stage.share) * 100)}%`;
  return (
    <li
      className={classes.rung}
      data-state={never ? "never" : stage.state}
      style={{ "--tone": toneColor[never ? "idle" : look.tone] }}
    >
      <div className={classes.knot}>
        <Icon name={never ? "cross" : look.icon} size={18} />
      </div>
      <div className={classes.rungHead}>
        <h3>{stageName(stage)}</h3>
        <span className={classes.share}>{stageReach(stage)}</span>
        <span className={classes.state}>{never ? "Never reached" : look.word}</span>
      </div>
      <div className={classes.reach} style={{ width: reach }}>
        <StackBar parts={partsOf(stage.counts, stage.devices)} label={`${stageName(stage)} by state`} legend="hidden" />
      </div>
      <p className={classes.words}>
        <Words stage={stage} rollout={rollout} never={never} />
      </p>
      {stage.state !== "waiting" && <GateMeter gate={shareGate(stage, rollout.plan.haltAbove)} />}
      {evidence && <GateMeter gate={evidence} />}
      {stage.state === "halted" && <p className={classes.verdict}>{localTimes(halt?.because ?? rollout.because)}</p>}
    </li>
  );
}

function Words({ stage, rollout, never }: { stage: StageProgress; rollout: Rollout; never: boolean }) {
  if (never) return <>{counted(stage.devices, "device")} never got the offer.</>;
  if (stage.state === "waiting")
    return <>Begins when {stage.index === 0 ? "the rollout begins" : "the stage above has passed its gate"}.</>;
  const parts = partsOf(stage.counts, stage.devices).filter((part) => part.n > 0);
  const now = updatingNow(stage.counts);
  return (
    <>
      {parts.map((part, place) => (
        <span key={part.word}>
          {place > 0 && " · "}
          <b>{count(part.n)}</b> {part.word.toLowerCase()}
        </span>
      ))}
      {now !== "" && <span> ({now})</span>}
      <Soak stage={stage} soak={parseDuration(rollout.plan.soak) ?? 0} />
    </>
  );
}

function Soak({ stage, soak }: { stage: StageProgress; soak: number }) {
  if (stage.state === "soaking") return <span> · must stay healthy for {humanDuration(soak)} before the next stage</span>;
  if (stage.passedAt) {
    return (
      <span>
        {" "}
        · passed <When at={stage.passedAt} />
      </span>
    );
  }
  return null;
}
