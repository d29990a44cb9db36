import { useQuery } from "@tanstack/react-query";
import { api, type Kpi } from "@tenfold/contracts";
import { useMemo } from "react";
import { cli } from "../cli.ts";
import { absolute, count, kpiValue } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { Chart } from "../parts/Chart.tsx";
import { Section } from "../parts/Section.tsx";
import { Status } from "../parts/Status.tsx";
import { ask } from "../queries.ts";
import { Page } from "../shell/Page.tsx";
import { KpiExplanation } from "./KpiExplanation.tsx";
import { targetLook, targetWords } from "./KpiTile.tsx";
import classes from "./kpi.module.css";

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

const writers = {
  ratio: (v: number) => kpiValue(v, "ratio"),
  s: (v: number) => kpiValue(v, "s"),
  ms: (v: number) => kpiValue(v, "ms"),
};

function Trend({ kpi }: { kpi: Kpi }) {
  const times = useMemo(() => kpi.trend.map(({ at }) => Date.parse(at)), [kpi]);
  const values = useMemo(() => kpi.trend.map(({ v }) => v), [kpi]);
  if (values.filter((v) => v !== null).length < 2) return <p>The trend appears once there are two points of it.</p>;
  const known = values.filter((v) => v !== null);
  const [lowest, highest] = [Math.min(...known), Math.max(...known)];
  return (
    <Chart
      times={times}
      values={values}
      target={kpi.target}
      height={210}
      write={writers[kpi.unit]}
      label={`Trend of ${kpi.title}: from ${kpiValue(known[0] ?? null, kpi.unit)} to ${kpiValue(known.at(-1) ?? null, kpi.unit)}, lowest ${kpiValue(lowest, kpi.unit)}, highest ${kpiValue(highest, kpi.unit)}, target ${targetWords(kpi)}`}
    />
  );
}
