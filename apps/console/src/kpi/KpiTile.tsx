import type { Kpi } from "@tenfold/contracts";
import { count, kpiValue } from "../format.ts";
import { AppLink } from "../parts/AppLink.tsx";
import { Status } from "../parts/Status.tsx";
import type { Look } from "../parts/tones.ts";
import { paths } from "../paths.ts";
import classes from "./kpi.module.css";
import { Sparkline } from "./Sparkline.tsx";

/** Whether a KPI meets its target, in words. */
export function targetLook(kpi: Pick<Kpi, "ok">): Look {
  if (kpi.ok === null) return { word: "Nothing to count yet", icon: "never", tone: "idle" };
  return kpi.ok ? { word: "On target", icon: "online", tone: "ok" } : { word: "Off target", icon: "warning", tone: "warn" };
}

/** `at least 99.5 %` or `at most 7 d`. */
export const targetWords = (kpi: Pick<Kpi, "better" | "target" | "unit">): string =>
  `${kpi.better === "higher" ? "at least" : "at most"} ${kpiValue(kpi.target, kpi.unit)}`;

export function KpiTile({ kpi }: { kpi: Kpi }) {
  return (
    <li className={classes.tile}>
      <div className={classes.tileHead}>
        <span>{kpi.title}</span>
        <Status look={targetLook(kpi)} />
      </div>
      <div className={classes.tileValue}>
        <b>{kpiValue(kpi.value, kpi.unit)}</b>
        <Sparkline values={kpi.trend.map(({ v }) => v)} />
      </div>
      <p className={classes.tileFoot}>
        target {targetWords(kpi)}
        <br />
        {count(kpi.n)} {kpi.of} · <AppLink to={`${paths.kpis()}#${kpi.name}`}>how it is computed</AppLink>
      </p>
    </li>
  );
}
