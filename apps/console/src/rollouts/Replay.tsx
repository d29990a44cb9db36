import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { useState } from "react";
import { cli } from "../cli.ts";
import { count, counted } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { Section } from "../parts/Section.tsx";
import { Status } from "../parts/Status.tsx";
import { When } from "../parts/When.tsx";
import { ask } from "../queries.ts";
import classes from "./rollouts.module.css";

/** Decides everything again from what is stored, when it is asked to, and says whether it comes out the same. */
export function Replay({ id }: { id: string }) {
  const [asked, setAsked] = useState(false);
  const replay = useQuery({ ...ask(api.replayRollout, { params: { id } }), enabled: asked, staleTime: 60_000 });
  return (
    <Section title="Decided again" aside={<CopyLine line={cli.replayRollout(id)} />}>
      <p className={classes.because}>
        The engine keeps everything that it saw when it decided. Deciding again from that, by the same functions, must come out the
        same: if it does not, another version decided it, or somebody changed the evidence.
      </p>
      {asked ? (
        <Answer of={replay} lines={2}>
          {({ equal, different, comparisons, verdicts }) => (
            <>
              <p>
                {different + comparisons.different === 0 ? (
                  <Status look={{ word: "The same", icon: "online", tone: "ok" }} />
                ) : (
                  <Status look={{ word: "Different", icon: "halted", tone: "bad" }} />
                )}{" "}
                {counted(equal, "pass", "passes")} of the engine came out equal, {count(different)} different;{" "}
                {count(comparisons.equal)} comparisons of guards equal, {count(comparisons.different)} different.
              </p>
              <ul className={classes.lines}>
                {verdicts
                  .filter(({ verdict }) => verdict === "different")
                  .map(({ at, difference }) => (
                    <li key={at}>
                      <When at={at} />: {difference}
                    </li>
                  ))}
              </ul>
            </>
          )}
        </Answer>
      ) : (
        <Button size="xs" variant="default" mt="sm" onClick={() => setAsked(true)}>
          Decide again
        </Button>
      )}
    </Section>
  );
}
