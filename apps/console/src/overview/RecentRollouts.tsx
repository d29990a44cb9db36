import type { Rollout } from "@tenfold/contracts";
import { localTimes } from "../format.ts";
import { AppLink } from "../parts/AppLink.tsx";
import { Empty } from "../parts/Section.tsx";
import { Status } from "../parts/Status.tsx";
import { phaseLook } from "../parts/tones.ts";
import { When } from "../parts/When.tsx";
import { paths } from "../paths.ts";
import { MiniLadder } from "../rollouts/MiniLadder.tsx";
import classes from "./overview.module.css";

/** The newest rollouts with their ladder in small. */
export function RecentRollouts({ rollouts }: { rollouts: readonly Rollout[] }) {
  if (rollouts.length === 0) {
    return (
      <Empty title="No rollout yet.">
        <p>
          <AppLink to={paths.releases()}>Register a release</AppLink>, then start a rollout: a canary goes first, and its gate stops
          what is bad.
        </p>
      </Empty>
    );
  }
  return (
    <ul className={classes.rollouts}>
      {rollouts.map((rollout) => (
        <li key={rollout.id}>
          <MiniLadder rollout={rollout} />
          <div>
            <p className={classes.rolloutHead}>
              <AppLink to={paths.rollout(rollout.id)}>
                {rollout.release.name} {rollout.release.version}
              </AppLink>
              <Status look={phaseLook[rollout.phase]} />
              <span className={classes.quiet}>
                <When at={rollout.since} />
              </span>
            </p>
            <p className={classes.quiet}>{localTimes(rollout.because)}</p>
          </div>
        </li>
      ))}
    </ul>
  );
}
