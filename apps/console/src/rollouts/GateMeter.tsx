import { count, percent } from "../format.ts";
import classes from "./ladder.module.css";
import type { Gate } from "./ladder.ts";

/** How near a stage is to halting: the harmed share against the mark at which the gate closes. */
export function GateMeter({ gate, devices }: { gate: Gate; devices: number }) {
  // The scale ends a good way behind the mark, so that the mark stands where the eye finds it.
  const end = Math.min(1, Math.max(gate.haltAbove * 2.5, gate.share * 1.25, 0.02));
  const at = (share: number) => `${Math.min(100, (share / end) * 100)}%`;
  const words = `${count(gate.harmed)} of ${count(devices)} harmed (${percent(gate.share, 1)}), halts above ${percent(gate.haltAbove, 1)}`;
  return (
    <div className={classes.gate}>
      <span className={classes.gateName}>Gate</span>
      <div className={classes.gateTrack} role="img" aria-label={`Harmed share of the stage: ${words}`}>
        <span className={classes.gateFill} data-closed={gate.closed} style={{ width: at(gate.share) }} />
        <span className={classes.gateMark} style={{ left: at(gate.haltAbove) }} />
      </div>
      <span className={classes.gateWords}>{words}</span>
    </div>
  );
}
