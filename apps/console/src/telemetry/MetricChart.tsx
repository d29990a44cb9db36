import { Switch } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, type Series } from "@tenfold/contracts";
import { useMemo, useState } from "react";
import { absolute, count, measured } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { Chart } from "../parts/Chart.tsx";
import { useNow } from "../parts/now.ts";
import { Empty } from "../parts/Section.tsx";
import { Table } from "../parts/Table.tsx";
import { ask } from "../queries.ts";
import { momentsOf, type RangeId } from "./range.ts";
import classes from "./telemetry.module.css";

type Props = { id: string; metric: string; range: RangeId };

/** One metric of one device over time, as a picture or as a table. */
export function MetricChart({ id, metric, range }: Props) {
  const { from, to } = momentsOf(range, useNow());
  const [table, setTable] = useState(false);
  const series = useQuery({
    ...ask(api.getDeviceTelemetry, { params: { id }, query: { metric, from, to, points: 1_200 } }),
    placeholderData: keepPreviousData,
  });
  return (
    <Answer of={series} lines={7}>
      {(found) =>
        found.points.length === 0 ? (
          <Empty title="No points in this stretch of time.">Choose a longer one.</Empty>
        ) : (
          <>
            {table ? <Points series={found} /> : <Picture series={found} span={{ from: Date.parse(from), to: Date.parse(to) }} />}
            <div className={classes.under}>
              <Switch
                size="xs"
                label="Show as a table"
                checked={table}
                onChange={(event) => setTable(event.currentTarget.checked)}
              />
              <span>{samplingWords(found)}</span>
            </div>
          </>
        )
      }
    </Answer>
  );
}

function Picture({ series, span }: { series: Series; span: { from: number; to: number } }) {
  const { times, values, label } = useMemo(() => toLine(series), [series]);
  if (values.length === 0) return <Points series={series} />;
  return <Chart times={times} values={values} unit={series.unit} label={label} span={span} />;
}

/** Numbers only: a text metric is shown as a table. */
function toLine({ points, metric, unit = "" }: Series) {
  const numeric = points.filter((point): point is typeof point & { v: number } => typeof point.v === "number");
  const values = numeric.map((point) => point.v);
  const [low, high] = values.reduce<[number, number]>(
    ([min, max], v) => [Math.min(min, v), Math.max(max, v)],
    [Infinity, -Infinity],
  );
  const last = values.at(-1);
  return {
    times: numeric.map((point) => Date.parse(point.at)),
    values,
    label: `${metric}: ${count(values.length)} points, lowest ${measured(low)} ${unit}, highest ${measured(high)} ${unit}, latest ${last === undefined ? "none" : measured(last)} ${unit}`,
  };
}

function Points({ series }: { series: Series }) {
  const newest = series.points.toReversed().slice(0, 200);
  return (
    <div className={classes.points}>
      <Table
        label={`${series.metric}, newest first`}
        rows={newest}
        keyOf={(point) => point.at}
        columns={[
          { title: "Time", cell: (point) => absolute(Date.parse(point.at)) },
          { title: series.unit ?? "Value", cell: (point) => measured(point.v), numeric: true },
        ]}
      />
    </div>
  );
}

const samplingWords = (series: Series): string =>
  series.sampling === "all"
    ? `${count(series.points.length)} points, all that are stored`
    : `${count(series.points.length)} of ${count(series.stored)} points; thinned so that every extreme stays visible`;
