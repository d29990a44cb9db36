import type { api } from "@tenfold/contracts";
import { count, sentence } from "../format.ts";
import { AppLink } from "../parts/AppLink.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { Status } from "../parts/Status.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { paths } from "../paths.ts";
import { deploymentLook } from "./deployment.ts";

type Report = (typeof api.getRolloutReport.response)["_output"];
type Harmed = Report["harmed"][number];
type Left = Report["notRestored"][number];

const common: readonly Column<Left>[] = [
  { title: "Device", cell: (each) => <AppLink to={paths.device(each.device, { tab: "updates" })}>{each.device}</AppLink> },
  { title: "State", cell: (each) => <Status look={deploymentLook(each.state)} /> },
  { title: "Reason", cell: (each) => (each.reason ? sentence(each.reason) : "–") },
  { title: "Detail", cell: (each) => each.detail ?? "–" },
];

/** Devices that the release left failed or silent, and whether they spoke again. */
export function HarmedDevices({ harmed }: { harmed: readonly Harmed[] }) {
  return (
    <Section title={`Harmed devices (${count(harmed.length)})`}>
      {harmed.length === 0 ? (
        <Empty title="None.">No device was left failed or silent.</Empty>
      ) : (
        <Table label="Harmed devices" rows={harmed} keyOf={(each) => each.device} columns={harmedColumns} />
      )}
    </Section>
  );
}

const harmedColumns: readonly Column<Harmed>[] = [
  ...common,
  {
    title: "Heard again",
    cell: (each) =>
      each.returnedAt ? (
        <>
          <When at={each.returnedAt} />
          {each.returnedWith && `, with the ${each.returnedWith} firmware`}
        </>
      ) : (
        "not yet"
      ),
  },
];

/** Devices that took the release and are not back on their last known good one. */
export function NotRestored({ devices }: { devices: readonly Left[] }) {
  return (
    <Section title={`Not restored (${count(devices.length)})`}>
      <Table label="Not restored" rows={devices} keyOf={(each) => each.device} columns={common} />
    </Section>
  );
}
