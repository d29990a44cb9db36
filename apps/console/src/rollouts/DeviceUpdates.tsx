import { useQuery } from "@tanstack/react-query";
import { api, type Deployment } from "@tenfold/contracts";
import { percent, words } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { Status } from "../parts/Status.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { paths } from "../paths.ts";
import { ask } from "../queries.ts";
import { DeviceCrashes } from "./CrashEvidence.tsx";
import { DeploymentEvidence } from "./DeploymentEvidence.tsx";
import { DeploymentSteps } from "./DeploymentSteps.tsx";
import { deploymentLook } from "./deployment.ts";
import classes from "./rollouts.module.css";
import { WhyNotUpdated } from "./WhyNotUpdated.tsx";

const columns: readonly Column<Deployment>[] = [
  { title: "State", cell: (each) => <Status look={deploymentLook(each.state)} /> },
  {
    title: "Version",
    cell: (each) => (
      <>
        <code>{each.version}</code>
        {each.rollback && " (rollback)"}
      </>
    ),
  },
  {
    title: "Rollout",
    cell: (each) => <AppLink to={paths.rollout(each.rollout)}>{each.stage === 0 ? "canary" : `stage ${each.stage + 1}`}</AppLink>,
  },
  { title: "Progress", cell: (each) => (each.progress === undefined ? "–" : percent(each.progress, 0)), numeric: true },
  { title: "Steps", cell: (each) => <DeploymentSteps deployment={each} /> },
  { title: "Reason", cell: (each) => (each.reason ? words(each.reason) : "–") },
  { title: "Evidence", cell: (each) => <DeploymentEvidence deployment={each} /> },
  { title: "Changed", cell: (each) => <When at={each.updatedAt} /> },
];

/** The updates of one device, newest first. */
export function DeviceUpdates({ id }: { id: string }) {
  const deployments = useQuery(ask(api.listDeviceDeployments, { params: { id } }));
  return (
    <div className={classes.stack}>
      <WhyNotUpdated id={id} />
      <Section title="Updates">
        <Answer of={deployments}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title="No update was offered to this device yet." />
            ) : (
              <Table label="Updates" columns={columns} rows={items} keyOf={(each) => each.id} />
            )
          }
        </Answer>
      </Section>
      <DeviceCrashes id={id} />
    </div>
  );
}
