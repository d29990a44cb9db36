import classes from "./ladder.module.css";
import type { Gate } from "./ladder.ts";

/** How near a stage is to halting: a value against the mark at which the gate closes. */
export function GateMeter({ gate }: { gate: Gate }) {
  // The scale ends a good way behind the mark, so that the mark stands where the eye finds it.
  const end = Math.max(gate.mark * 2.5, gate.value * 1.25, Number.EPSILON);
  const at = (value: number) => `${Math.min(100, (value / end) * 100)}%`;
  return (
    <div className={classes.gate}>
      <span className={classes.gateName}>{gate.name}</span>
      <div className={classes.gateTrack} role="img" aria-label={`${gate.name}: ${gate.words}`}>
        <span className={classes.gateFill} data-closed={gate.closed} style={{ width: at(gate.value) }} />
        <span className={classes.gateMark} style={{ left: at(gate.mark) }} />
      </div>
      <span className={classes.gateWords}>{gate.words}</span>
    </div>
  );
}
