import { useQuery } from "@tanstack/react-query";
import { api, type TimelineEntry } from "@tenfold/contracts";
import { Answer } from "../parts/Answer.tsx";
import { Icon } from "../parts/icons.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { severityLook, toneColor } from "../parts/tones.ts";
import { When } from "../parts/When.tsx";
import { ask } from "../queries.ts";
import classes from "./registry.module.css";

/** What happened to a device, newest first. */
export function DeviceTimeline({ id }: { id: string }) {
  const timeline = useQuery(ask(api.getDeviceTimeline, { params: { id }, query: { limit: 200 } }));
  return (
    <Section title="Timeline">
      <Answer of={timeline} lines={8}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="Nothing has happened yet.">
              Connections, events, refusals, updates and lifecycle changes appear here.
            </Empty>
          ) : (
            <ol className={classes.timeline}>
              {items.map((entry, place) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: two entries may be alike in all they say
                <Entry key={`${entry.at} ${entry.kind} ${place}`} entry={entry} />
              ))}
            </ol>
          )
        }
      </Answer>
    </Section>
  );
}

function Entry({ entry }: { entry: TimelineEntry }) {
  const look = severityLook[entry.severity];
  const detail = entry.detail && Object.keys(entry.detail).length > 0 ? entry.detail : undefined;
  return (
    <li>
      <span style={{ color: toneColor[look?.tone ?? "idle"] }} title={look?.word}>
        <Icon name={look?.icon ?? "info"} />
      </span>
      <div>
        {entry.severity !== "info" && <span className="visually-hidden">{look?.word}: </span>}
        {entry.text} <span className={classes.kind}>{entry.kind}</span>
        {detail && (
          <details className={classes.detail}>
            <summary>Evidence</summary>
            <pre>{JSON.stringify(detail, null, 2)}</pre>
          </details>
        )}
      </div>
      <span className={classes.when}>
        <When at={entry.at} />
      </span>
    </li>
  );
}
