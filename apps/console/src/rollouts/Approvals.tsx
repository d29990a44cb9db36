import { api, type Rollout } from "@tenfold/contracts";
import { useMay, useSession } from "../access/session.ts";
import { cli } from "../cli.ts";
import { count, counted, short } from "../format.ts";
import { CopyLine } from "../parts/CopyLine.tsx";
import { Section } from "../parts/Section.tsx";
import { When } from "../parts/When.tsx";
import classes from "./rollouts.module.css";

/** Who has approved the plan, who is still needed, and what an approval is for. Nothing where nobody has to. */
export function Approvals({ rollout }: { rollout: Rollout }) {
  const session = useSession();
  const allowed = useMay(api.approveRollout);
  const { needed, given } = rollout.approvals;
  if (needed === 0 && given.length === 0) return null;
  const missing = Math.max(0, needed - given.length);
  const mine = session.data?.actor?.name === rollout.createdBy;
  return (
    <Section
      title={`Approvals: ${count(given.length)} of ${count(needed)}`}
      aside={<CopyLine line={cli.approveRollout(rollout.id)} />}
    >
      <ul className={classes.lines}>
        {given.map(({ by, at, comment }) => (
          <li key={by}>
            <b>{by}</b> approved it <When at={at} />
            {comment && `: “${comment}”`}
          </li>
        ))}
      </ul>
      {missing > 0 && rollout.phase === "awaiting_approval" && (
        <p>
          {counted(missing, "approval")} missing. {rollout.createdBy} started it and cannot approve it
          {mine
            ? ": send this page to somebody who may."
            : allowed.allowed
              ? "; you can, with the button above."
              : `. ${allowed.because}`}
        </p>
      )}
      <p className={classes.because}>
        An approval is for this plan and these bytes: <code title={rollout.planHash}>{short(rollout.planHash, 16)}</code>. Should
        either ever differ, the engine pauses and offers nothing.
      </p>
    </Section>
  );
}
