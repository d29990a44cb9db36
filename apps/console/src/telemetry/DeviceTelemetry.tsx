import { Group, SegmentedControl, Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { useState } from "react";
import { cli } from "../cli.ts";
import { measured } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { When } from "../parts/When.tsx";
import { ask } from "../queries.ts";
import { MetricChart } from "./MetricChart.tsx";
import { type RangeId, ranges } from "./range.ts";
import classes from "./telemetry.module.css";

/** A device's measurements: the latest of each, and one over time. */
export function DeviceTelemetry({ id }: { id: string }) {
  const metrics = useQuery(ask(api.listDeviceMetrics, { params: { id } }));
  return (
    <Answer of={metrics} lines={6}>
      {({ items }) =>
        items.length === 0 ? (
          <Section title="Telemetry">
            <Empty title="This device has sent no telemetry yet.">The Connect tab has a line that sends a first point.</Empty>
          </Section>
        ) : (
          <Metrics id={id} metrics={items} />
        )
      }
    </Answer>
  );
}

type Metric = { metric: string; unit?: string | undefined; latest: { at: string; v: number | string }; points: number };

function Metrics({ id, metrics }: { id: string; metrics: readonly Metric[] }) {
  const [chosen, setChosen] = useState<string>();
  const [range, setRange] = useState<RangeId>("1h");
  const metric = metrics.find((each) => each.metric === chosen) ?? metrics[0];
  if (metric === undefined) return null;
  return (
    <>
      <ul className={classes.latest} aria-label="Latest values">
        {metrics.map((each) => (
          <li key={each.metric}>
            <button type="button" aria-pressed={each.metric === metric.metric} onClick={() => setChosen(each.metric)}>
              <span>{each.metric}</span>
              <b>
                {measured(each.latest.v)} <small>{each.unit}</small>
              </b>
              <When at={each.latest.at} />
            </button>
          </li>
        ))}
      </ul>
      <Section
        title={metric.unit ? `${metric.metric} in ${metric.unit}` : metric.metric}
        aside={
          <Group gap="xs">
            <Select
              size="xs"
              aria-label="Metric"
              allowDeselect={false}
              data={metrics.map((each) => each.metric)}
              value={metric.metric}
              onChange={(value) => setChosen(value ?? undefined)}
            />
            <SegmentedControl
              size="xs"
              aria-label="Range"
              value={range}
              onChange={(value) => setRange(ranges.find((each) => each.id === value)?.id ?? "1h")}
              data={ranges.map(({ id: value, label }) => ({ value, label }))}
            />
          </Group>
        }
      >
        <MetricChart id={id} metric={metric.metric} range={range} />
        <CopyLine line={cli.deviceTelemetry(id, metric.metric)} />
      </Section>
    </>
  );
}
