import type { Rollout } from "@tenfold/contracts";
import { stageLook, toneColor } from "../parts/tones.ts";
import classes from "./ladder.module.css";
import { ladderInWords, stageName } from "./ladder.ts";

/** The ladder in a line of a list: a rung a stage, as long as its reach. */
export function MiniLadder({ rollout }: { rollout: Rollout }) {
  return (
    <span className={classes.mini} role="img" aria-label={ladderInWords(rollout)}>
      {rollout.stages.map((stage) => (
        <i
          key={stage.index}
          data-state={stage.state}
          title={`${stageName(stage)}: ${stageLook[stage.state].word.toLowerCase()}`}
          style={{ width: `${Math.max(14, Math.sqrt(stage.share) * 100)}%`, "--tone": toneColor[stageLook[stage.state].tone] }}
        />
      ))}
    </span>
  );
}
