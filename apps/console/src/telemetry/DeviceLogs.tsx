import { useQuery } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { cli } from "../cli.ts";
import { absolute } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { ask } from "../queries.ts";
import classes from "./telemetry.module.css";

/** The newest log lines of a device. */
export function DeviceLogs({ id }: { id: string }) {
  const logs = useQuery({ ...ask(api.getDeviceLogs, { params: { id }, query: { limit: 500 } }), refetchInterval: 10_000 });
  return (
    <Section title="Logs" aside={<CopyLine line={cli.deviceLogs(id)} />}>
      <Answer of={logs} lines={8}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="This device has sent no log lines." />
          ) : (
            // biome-ignore lint/a11y/noNoninteractiveTabindex: a block that scrolls must be reachable by keyboard
            <section className={classes.logs} tabIndex={0} aria-label="Log lines, newest last">
              {items.map((line, place) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: two lines may be alike in all they say
                <div key={`${line.at} ${place}`} data-level={line.level}>
                  <span>{absolute(Date.parse(line.at))}</span> <b>{line.level.padEnd(5)}</b> {line.text}
                </div>
              ))}
            </section>
          )
        }
      </Answer>
    </Section>
  );
}
