import type { RolloutDecision } from "@tenfold/contracts";
import { localTimes, sentence } from "../format.ts";
import { Empty, Facts } from "../parts/Section.tsx";
import { When } from "../parts/When.tsx";
import { gatesOf, otherFacts } from "./evidence.ts";
import { GateMeter } from "./GateMeter.tsx";
import classes from "./rollouts.module.css";

/** What the rollout's engine decided, newest first, each with the picture that it saw. */
export function Decisions({ decisions }: { decisions: readonly RolloutDecision[] }) {
  if (decisions.length === 0) return <Empty title="Nothing was decided yet." />;
  // They come in the order in which they were recorded; those of one turn share their time.
  const newest = decisions.toReversed();
  return (
    <ol className={classes.decisions}>
      {newest.map((each, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: two decisions may be alike in all they say
        <li key={`${each.at} ${place}`}>
          <p>
            <b>{sentence(each.decision)}</b>
            {each.stage !== undefined && ` in ${each.stage === 0 ? "the canary" : `stage ${each.stage + 1}`}`}
            <span className={classes.when}>
              <When at={each.at} />
            </span>
          </p>
          <p className={classes.because}>{sentence(localTimes(each.because))}</p>
          {each.evidence && Object.keys(each.evidence).length > 0 && <Evidence of={each.evidence} />}
        </li>
      ))}
    </ol>
  );
}

/** The gates with their marks, then the other facts; the whole of it, letter for letter, one level deeper. */
function Evidence({ of }: { of: NonNullable<RolloutDecision["evidence"]> }) {
  const [gates, facts] = [gatesOf(of), otherFacts(of)];
  return (
    <details className={classes.evidence}>
      <summary>Evidence{gates.length > 0 && ` of ${gates.length} ${gates.length === 1 ? "gate" : "gates"}`}</summary>
      {gates.map((gate) => (
        <GateMeter key={gate.name} gate={gate} />
      ))}
      {facts.length > 0 && <Facts facts={facts} />}
      <details>
        <summary>As it is stored</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a block that scrolls must be reachable by keyboard */}
        <pre tabIndex={0}>{JSON.stringify(of, null, 2)}</pre>
      </details>
    </details>
  );
}
