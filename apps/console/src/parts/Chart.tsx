import "uplot/dist/uPlot.min.css";
import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import UPlot from "uplot";
import { measured, timeTicks } from "../format.ts";
import classes from "./chart.module.css";

export type ChartLine = {
  /** Milliseconds since the epoch, rising. */
  times: readonly number[];
  values: readonly (number | null)[];
  /** Says what is drawn to those who do not see it. */
  label: string;
  unit?: string | undefined;
  /** A level to hold, drawn as a line of its own. */
  target?: number | undefined;
  /** Writes a value on the axis and in the legend. */
  write?: (value: number) => string;
  height?: number;
  /** The stretch of time to show, in milliseconds since the epoch; without it, as far as the values reach. */
  span?: { from: number; to: number } | undefined;
};

/** A line over time. It is a picture: whoever shows it also offers the numbers as a table. */
export function Chart({ times, values, label, unit, target, write = measured, height = 260, span }: ChartLine) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(undefined);
  const scheme = useComputedColorScheme("light");
  const latest = useRef<UPlot.AlignedData>([[], []]);
  const withTarget = target !== undefined;
  latest.current = toColumns({ times, values, target });
  const shown = useRef(span);
  shown.current = span;

  // biome-ignore lint/correctness/useExhaustiveDependencies: the colour scheme decides the colours that are read from the page
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const options = optionsFor(element, {
      width: element.clientWidth,
      height,
      unit,
      write,
      withTarget,
      spanNow: () => shown.current,
    });
    const made = new UPlot(options, latest.current, element);
    plot.current = made;
    const resize = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [scheme, unit, height, withTarget, write]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the columns are made anew exactly when one of these changes
  useEffect(() => plot.current?.setData(latest.current), [times, values, target, span?.from, span?.to]);

  return <div ref={box} className={classes.chart} role="img" aria-label={label} />;
}

function toColumns({ times, values, target }: Pick<ChartLine, "times" | "values" | "target">): UPlot.AlignedData {
  const x = times.map((time) => time / 1_000);
  return target === undefined ? [x, [...values]] : [x, [...values], times.map(() => target)];
}

type Drawing = {
  width: number;
  height: number;
  unit: string | undefined;
  write: (value: number) => string;
  withTarget: boolean;
  spanNow: () => ChartLine["span"];
};

function optionsFor(element: HTMLElement, { width, height, unit, write, withTarget, spanNow }: Drawing): UPlot.Options {
  const style = getComputedStyle(element);
  const color = (name: string) => resolved(element, `var(${name})`);
  const axis: UPlot.Axis = {
    stroke: color("--tf-ink-2"),
    font: `12px ${style.fontFamily}`,
    grid: { stroke: color("--tf-line"), width: 1 },
    ticks: { stroke: color("--tf-line"), width: 1, size: 4 },
  };
  const written = (value: number | null) => (value === null ? "–" : `${write(value)}${unit ? ` ${unit}` : ""}`);
  return {
    width,
    height,
    scales: {
      x: {
        range: (_, min, max) => {
          const span = spanNow();
          return span ? [span.from / 1_000, span.to / 1_000] : [min, max];
        },
      },
    },
    cursor: { y: false, points: { size: 7 } },
    axes: [
      { ...axis, space: 76, values: (_, splits) => timeTicks(splits) },
      { ...axis, size: 62, values: (_, splits) => splits.map(write) },
    ],
    series: [
      { value: "{DD} {MMM} {YYYY} {HH}:{mm}:{ss}", label: "Time" },
      {
        label: "Value",
        stroke: color("--tf-accent"),
        width: 1.6,
        fill: color("--tf-chart-fill"),
        points: { show: false },
        value: (_, value) => written(value),
      },
      ...(withTarget
        ? [
            {
              label: "Target",
              value: (_: UPlot, value: number | null) => written(value),
              stroke: color("--tf-warn"),
              width: 1.2,
              dash: [6, 5],
              points: { show: false },
            },
          ]
        : []),
    ],
  };
}

/** The canvas knows no CSS variables: the browser resolves them. */
function resolved(element: HTMLElement, color: string): string {
  const probe = document.createElement("span");
  probe.style.color = color;
  element.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
