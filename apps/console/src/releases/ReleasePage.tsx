import { useQuery } from "@tanstack/react-query";
import { api, type Release, type Rollout } from "@tenfold/contracts";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { bytes, count, counted, short } from "../format.ts";
import { ActionButton } from "../parts/ActionButton.tsx";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { Empty, Facts, Section } from "../parts/Section.tsx";
import { Status } from "../parts/Status.tsx";
import { useIdInPath } from "../parts/search.ts";
import { type Column, Table } from "../parts/Table.tsx";
import { phaseLook } from "../parts/tones.ts";
import { When } from "../parts/When.tsx";
import { paths } from "../paths.ts";
import { ask, client } from "../queries.ts";
import { StartLink } from "../rollouts/StartLink.tsx";
import { Page } from "../shell/Page.tsx";
import { Components } from "./Components.tsx";
import { retirement } from "./effects.ts";
import { Provenance } from "./Provenance.tsx";

const above = <AppLink to={paths.releases()}>Releases</AppLink>;

/** One release: where it fits, what is in it, how it was built, who vouches for it, and where it runs. */
export function ReleasePage() {
  const id = useIdInPath();
  const release = useQuery(ask(api.getRelease, { params: { id } }));
  const known = release.data;
  const name = known ? `${known.name} ${known.version}` : id;
  return (
    <Page
      name={name}
      title={name}
      above={above}
      lead={known && leadOf(known)}
      actions={known && <Actions release={known} />}
      cli={cli.release(id)}
    >
      <Answer of={release} lines={8}>
        {(found) => (
          <>
            <Section title="Fits">
              <Facts facts={fitFacts(found)} />
            </Section>
            <Section title="What it is">
              <Facts facts={factsOf(found)} />
            </Section>
            {found.notes && (
              <Section title="Notes">
                <p style={{ whiteSpace: "pre-wrap", margin: 0 }}>{found.notes}</p>
              </Section>
            )}
            <Components release={found.id} />
            <Provenance release={found} />
            <RolloutsOf release={found.id} />
          </>
        )}
      </Answer>
    </Page>
  );
}

function leadOf({ retirement, usedAt, channel, artifact }: Release) {
  if (artifact.damagedAt)
    return (
      <>
        Since <When at={artifact.damagedAt} /> its stored bytes are known to be damaged: they are sent to no device, and rollouts of
        it wait. Upload the same file again: <code>tenfold artifact push FILE</code>
      </>
    );
  if (retirement)
    return (
      <>
        Retired <When at={retirement.at} /> by {retirement.by || "nobody known"}: {retirement.because || "no reason was given"}. No
        rollout may use it.
      </>
    );
  return usedAt ? (
    <>
      In the channel {channel}. First rolled out <When at={usedAt} />: what is said about it stands from then on.
    </>
  ) : (
    <>In the channel {channel}. No rollout has used it yet.</>
  );
}

function fitFacts({ models, hardwareRevisions, minimumVersion, mustPassThrough, channel }: Release) {
  return [
    ["Models", models.join(", ") || "any"],
    ["Hardware revisions", hardwareRevisions?.join(", ") ?? "any"],
    ["Installed over", minimumVersion ? `${minimumVersion} or newer` : "any older version"],
    ["Must pass through", mustPassThrough?.join(", then ") ?? "nothing"],
    [
      "Devices that follow",
      channel === "stable" ? "every channel" : channel === "beta" ? "beta and dev (tag channel)" : "dev (tag channel)",
    ],
  ] as const;
}

function factsOf({ artifact, signedBy, devices, version, createdAt, envelope }: Release) {
  return [
    ["Artifact (SHA-256)", <code key="sha256">{artifact.sha256}</code>],
    ["Size", bytes(artifact.size)],
    ["Signed by", signedBy.map((keyid) => short(keyid, 20)).join(", ") || "nobody known"],
    ["Signed", <When key="signed" at={envelope.signed.signedAt} />],
    ["Registered", <When key="registered" at={createdAt} />],
    [
      "Running it",
      <AppLink key="devices" to={paths.devices({ filter: `fw:${version}` })}>
        {counted(devices, "device")}
      </AppLink>,
    ],
  ] as const;
}

function Actions({ release }: { release: Release }) {
  const allowed = useMay(api.retireRelease);
  const title = `${release.name} ${release.version}`;
  const callWith = (reason: string) => ({ params: { id: release.id }, body: { reason } });
  if (release.retired)
    return (
      <ActionButton
        operation={api.reinstateRelease}
        callWith={callWith}
        verb="Reinstate"
        icon="undo"
        title={`Reinstate ${title}`}
        cli={cli.changeRelease("reinstate", release.id)}
        allowed={allowed}
      >
        Rollouts may use it again.
      </ActionButton>
    );
  return (
    <>
      <StartLink release={release.id} word="Roll out" />
      <Promote release={release} />
      <ActionButton
        operation={api.retireRelease}
        callWith={callWith}
        verb="Retire"
        icon="pause"
        title={`Retire ${title}`}
        cli={cli.changeRelease("retire", release.id)}
        allowed={allowed}
        danger
        undo={{
          says: `${title} is retired.`,
          run: () => client.call(api.reinstateRelease, callWith("taken back at once in the console")),
        }}
      >
        <Retirement release={release} />
      </ActionButton>
    </>
  );
}

/** Asked for when the dialog opens. */
function Retirement({ release }: { release: Release }) {
  const rollouts = useQuery(ask(api.listRollouts, { query: { limit: 200 } }));
  return rollouts.data === undefined ? "Looking at the rollouts that use it …" : retirement(release, rollouts.data.items);
}

/** The next more careful channel than this one, where there is one. */
const wider = { dev: "beta", beta: "stable" } as const;

function Promote({ release }: { release: Release }) {
  const allowed = useMay(api.changeRelease);
  if (release.channel === "stable") return null;
  const to = wider[release.channel];
  const move = (channel: Release["channel"]) => ({ params: { id: release.id }, body: { channel } });
  return (
    <ActionButton
      operation={api.changeRelease}
      callWith={() => move(to)}
      verb={`Promote to ${to}`}
      icon="check"
      title={`Promote ${release.name} ${release.version} to ${to}`}
      cli={cli.promote(release.id, to)}
      allowed={allowed}
      reason="none"
      undo={{ says: `It is in the channel ${to}.`, run: () => client.call(api.changeRelease, move(release.channel)) }}
    >
      Devices that follow {to} can be offered it from now on. Nothing is offered before a rollout does.
    </ActionButton>
  );
}

/** Where it was rolled out. */
function RolloutsOf({ release }: { release: string }) {
  const rollouts = useQuery(ask(api.listRollouts, { query: { limit: 200 } }));
  return (
    <Section title="Rollouts">
      <Answer of={rollouts}>
        {({ items }) => {
          const own = items.filter((each) => each.release.id === release);
          if (own.length === 0)
            return (
              <Empty title="No rollout has used it.">
                <CopyLine line={cli.startRollout(release)} label="Copy the command" />
              </Empty>
            );
          return <Table label="Rollouts of this release" columns={rolloutColumns} rows={own} keyOf={(each) => each.id} />;
        }}
      </Answer>
    </Section>
  );
}

const rolloutColumns: readonly Column<Rollout>[] = [
  { title: "Rollout", cell: (each) => <AppLink to={paths.rollout(each.id)}>{each.id}</AppLink> },
  { title: "Phase", cell: (each) => <Status look={phaseLook[each.phase]} /> },
  { title: "Because", cell: (each) => each.because },
  { title: "Targets", cell: (each) => count(each.targets), numeric: true },
  { title: "Since", cell: (each) => <When at={each.since} /> },
];
