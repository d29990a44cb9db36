import { useQuery } from "@tanstack/react-query";
import { api, type Kpi } from "@tenfold/contracts";
import { useState } from "react";
import { absolute, kpiValue } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { Table } from "../parts/Table.tsx";
import { ask } from "../queries.ts";

/** The exact definition of a KPI, asked for when somebody wants to know; the trend stands beside it as a table. */
export function KpiExplanation({ kpi }: { kpi: Kpi }) {
  const [open, setOpen] = useState(false);
  const explanation = useQuery({ ...ask(api.explainKpi, { params: { name: kpi.name } }), enabled: open });
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>How it is computed, and the trend as a table</summary>
      {open && (
        <Answer of={explanation}>
          {({ definition, numerator, denominator, exclusions, source }) => (
            <dl>
              <dt>Definition</dt>
              <dd>{definition}</dd>
              <dt>Numerator</dt>
              <dd>{numerator}</dd>
              <dt>Denominator</dt>
              <dd>{denominator}</dd>
              <dt>Left out</dt>
              <dd>
                {exclusions.length === 0 ? (
                  "nothing"
                ) : (
                  <ul>
                    {exclusions.map((each) => (
                      <li key={each}>{each}</li>
                    ))}
                  </ul>
                )}
              </dd>
              <dt>Source</dt>
              <dd>
                <code>{source}</code>
              </dd>
            </dl>
          )}
        </Answer>
      )}
      {open && (
        <div style={{ padding: "12px 18px 18px", maxHeight: 320, overflow: "auto" }}>
          <Table
            label={`Trend of ${kpi.title}`}
            rows={kpi.trend}
            keyOf={(each) => each.at}
            columns={[
              { title: "Time", cell: (each) => absolute(Date.parse(each.at)) },
              { title: kpi.title, cell: (each) => kpiValue(each.v, kpi.unit), numeric: true },
            ]}
          />
        </div>
      )}
    </details>
  );
}
