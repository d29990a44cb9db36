import type { RolloutDecision } from "@tenfold/contracts";
import { localTimes, sentence } from "../format.ts";
import { Empty } from "../parts/Section.tsx";
import { When } from "../parts/When.tsx";
import classes from "./rollouts.module.css";

/** What the rollout's engine decided, newest first, each with the picture that it saw. */
export function Decisions({ decisions }: { decisions: readonly RolloutDecision[] }) {
  if (decisions.length === 0) return <Empty title="Nothing was decided yet." />;
  const newest = decisions.toSorted((a, b) => b.at.localeCompare(a.at));
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
          <p className={classes.because}>{localTimes(each.because)}</p>
          {each.evidence && Object.keys(each.evidence).length > 0 && (
            <details className={classes.evidence}>
              <summary>Evidence</summary>
              <pre>{JSON.stringify(each.evidence, null, 2)}</pre>
            </details>
          )}
        </li>
      ))}
    </ol>
  );
}
