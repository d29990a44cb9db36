import { useQuery } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { cli } from "../cli.ts";
import { words } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { Facts, Section } from "../parts/Section.tsx";
import { When } from "../parts/When.tsx";
import { paths } from "../paths.ts";
import { ask } from "../queries.ts";

/** Why a device is not updated, in the engine's own words, for every open rollout. */
export function WhyNotUpdated({ id }: { id: string }) {
  const status = useQuery({ ...ask(api.getUpdateStatus, { params: { id }, query: {} }), refetchInterval: 10_000 });
  return (
    <Section title="Why not updated?" aside={<CopyLine line={cli.whyDevice(id)} />}>
      <Answer of={status}>
        {({ because, code, until, fix, rollouts }) => (
          <>
            <Facts
              facts={[
                [
                  "Now",
                  <span key="now" title={words(code)}>
                    {because}
                  </span>,
                ],
                ["Until", until === undefined ? "something else changes" : <When key="until" at={until} />],
                [
                  "What to do",
                  fix?.startsWith("tenfold ") ? (
                    <CopyLine key="fix" line={`npx ${fix}`} label="Copy the command" />
                  ) : (
                    (fix ?? "nothing; it goes on by itself, or there is nothing to do")
                  ),
                ],
              ]}
            />
            {rollouts.length > 0 && (
              <ul aria-label="Open rollouts" style={{ marginTop: 12 }}>
                {rollouts.map((one) => (
                  <li key={one.rollout}>
                    <AppLink to={paths.rollout(one.rollout)}>Rollout of {one.version}</AppLink>: {one.because}
                  </li>
                ))}
              </ul>
            )}
            <p style={{ marginTop: 12 }}>
              <AppLink to={paths.pins({ filter: `id:${id}` })}>Pin this device, or exclude it from updates</AppLink>
            </p>
          </>
        )}
      </Answer>
    </Section>
  );
}
