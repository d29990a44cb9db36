import { useQuery } from "@tanstack/react-query";
import { api, type Kpi } from "@tenfold/contracts";
import { useMemo } from "react";
import { cli } from "../cli.ts";
import { absolute, count, kpiValue } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { Chart, type ChartLine } from "../parts/Chart.tsx";
import { Section } from "../parts/Section.tsx";
import { Status } from "../parts/Status.tsx";
import { ask } from "../queries.ts";
import { Page } from "../shell/Page.tsx";
import { KpiExplanation } from "./KpiExplanation.tsx";
import { targetLook, targetWords } from "./KpiTile.tsx";
import classes from "./kpi.module.css";
import { drawnTarget, scaleOf } from "./scale.ts";

/** The numbers for executives: value, target, trend, and exactly how each was computed. */
export function KpisPage() {
  const kpis = useQuery({ ...ask(api.listKpis, { query: {} }), refetchInterval: 60_000 });
  return (
    <Page
      title="KPIs"
      name="KPIs"
      cli={cli.kpis()}
      lead="Each number says what was counted, and over which time. A number without anything to count stays empty."
    >
      <Answer of={kpis} lines={10}>
        {({ items }) => items.map((kpi) => <KpiSection key={kpi.name} kpi={kpi} />)}
      </Answer>
    </Page>
  );
}

function KpiSection({ kpi }: { kpi: Kpi }) {
  return (
    <div id={kpi.name}>
      <Section title={kpi.title} aside={<Status look={targetLook(kpi)} />}>
        <div className={classes.kpi}>
          <div>
            <p className={classes.big}>{kpiValue(kpi.value, kpi.unit)}</p>
            <p>
              Target {targetWords(kpi)}. Over {count(kpi.n)} {kpi.of}, as of {absolute(Date.parse(kpi.asOf))}.
            </p>
            <dl className={classes.beside}>
              {kpi.beside.flatMap(({ label, value, unit }) => [
                <dt key={`${label} name`}>{label}</dt>,
                <dd key={label}>{kpiValue(value, unit)}</dd>,
              ])}
            </dl>
          </div>
          <Trend kpi={kpi} />
          <div className={classes.explain}>
            <KpiExplanation kpi={kpi} />
          </div>
        </div>
      </Section>
    </div>
  );
}

function Trend({ kpi }: { kpi: Kpi }) {
  const drawing = useMemo(() => drawingOf(kpi), [kpi]);
  if (drawing === undefined) return <p>The trend appears once there are two points of it.</p>;
  return <Chart {...drawing} height={210} />;
}

/** The trend as a line, in a unit that suits its values. */
function drawingOf(kpi: Kpi): ChartLine | undefined {
  const known = kpi.trend.flatMap(({ v }) => (v === null ? [] : [v]));
  if (known.length < 2) return undefined;
  const [lowest, highest] = [Math.min(...known), Math.max(...known)];
  const { divide, write } = scaleOf(kpi.unit, highest);
  const target = drawnTarget(kpi.target, [lowest, highest]);
  const say = (value: number | undefined) => kpiValue(value ?? null, kpi.unit);
  return {
    times: kpi.trend.map(({ at }) => Date.parse(at)),
    values: kpi.trend.map(({ v }) => (v === null ? null : v / divide)),
    write,
    ...(target === undefined ? {} : { target: target / divide }),
    label: `Trend of ${kpi.title}: from ${say(known[0])} to ${say(known.at(-1))}, lowest ${say(lowest)}, highest ${say(highest)}, target ${targetWords(kpi)}`,
  };
}
