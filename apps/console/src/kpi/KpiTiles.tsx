import { useQuery } from "@tanstack/react-query";
import { api } from "@tenfold/contracts";
import { Answer } from "../parts/Answer.tsx";
import { ask } from "../queries.ts";
import { KpiTile } from "./KpiTile.tsx";
import classes from "./kpi.module.css";

/** The numbers for executives, in a row. */
export function KpiTiles() {
  const kpis = useQuery({ ...ask(api.listKpis, { query: {} }), refetchInterval: 30_000 });
  return (
    <Answer of={kpis} lines={3}>
      {({ items }) => (
        <ul className={classes.tiles} aria-label="KPIs">
          {items.map((kpi) => (
            <KpiTile key={kpi.name} kpi={kpi} />
          ))}
        </ul>
      )}
    </Answer>
  );
}
