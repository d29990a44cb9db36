import type { IconName } from "../parts/icons.tsx";
import { paths } from "../paths.ts";

export type Place = { path: string; name: string; icon: IconName };

export const places: readonly { title: string; places: readonly Place[] }[] = [
  {
    title: "Fleet",
    places: [
      { path: paths.overview(), name: "Overview", icon: "overview" },
      { path: paths.devices(), name: "Devices", icon: "devices" },
      { path: paths.alerts(), name: "Alerts", icon: "alerts" },
      { path: paths.kpis(), name: "KPIs", icon: "kpis" },
    ],
  },
  {
    title: "Updates",
    places: [
      { path: paths.rollouts(), name: "Rollouts", icon: "rollouts" },
      { path: paths.plans(), name: "Plans", icon: "plans" },
      { path: paths.freezes(), name: "Freezes", icon: "freezes" },
      { path: paths.pins(), name: "Pins", icon: "pins" },
      { path: paths.releases(), name: "Releases", icon: "releases" },
      { path: paths.metadata(), name: "Metadata", icon: "metadata" },
    ],
  },
  {
    title: "Trust",
    places: [
      { path: paths.enrollment(), name: "Enrollment", icon: "enrollment" },
      { path: paths.audit(), name: "Audit", icon: "audit" },
      { path: paths.access(), name: "Access", icon: "access" },
    ],
  },
];

/** Whether a place is where one is: its page, or a page below it. */
export const isHere = (place: string, pathname: string): boolean =>
  place === "/" ? pathname === "/" : pathname === place || pathname.startsWith(`${place}/`);
