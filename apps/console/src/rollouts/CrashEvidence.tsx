import { useQuery } from "@tanstack/react-query";
import { api, type Crash, type CrashSignature } from "@tenfold/contracts";
import { useMay } from "../access/session.ts";
import { cli } from "../cli.ts";
import { bytes, counted, short } from "../format.ts";
import { ActionButton } from "../parts/ActionButton.tsx";
import { Answer } from "../parts/Answer.tsx";
import { AppLink } from "../parts/AppLink.tsx";
import { CopyLine } from "../parts/CopyLine.tsx";
import { Empty, Section } from "../parts/Section.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import { When } from "../parts/When.tsx";
import { paths } from "../paths.ts";
import { ask } from "../queries.ts";
import classes from "./rollouts.module.css";

/** What devices left behind when they crashed while they were exposed to this rollout, alike ones together. */
export function CrashEvidence({ rollout }: { rollout: string }) {
  const signatures = useQuery(ask(api.listCrashSignatures, { query: { rollout } }));
  const crashes = useQuery(ask(api.listCrashes, { query: { rollout, limit: 100 } }));
  const pinned = crashes.data?.items.some((crash) => crash.pinned) ?? false;
  return (
    <Section title="Crash evidence" aside={<CopyLine line={cli.rolloutCrashes(rollout)} />}>
      <Answer of={signatures}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No crash was received from a device that this rollout reached.">
              <p>
                Core dumps, pstore, boot logs and log lines that devices send to <code>/v1/crash/…</code> while they are exposed are
                pinned here.
              </p>
            </Empty>
          ) : (
            <>
              <Table
                label="Crash signatures"
                columns={signatureColumns}
                rows={items}
                keyOf={(each) => each.signature + (each.build ?? "")}
              />
              <details className={classes.evidence} style={{ marginTop: 24 }}>
                <summary>Each artifact ({counted(crashes.data?.items.length ?? 0, "newest artifact")})</summary>
                <CrashTable crashes={crashes.data?.items ?? []} />
              </details>
              {pinned && <LetGo rollout={rollout} />}
            </>
          )
        }
      </Answer>
    </Section>
  );
}

function LetGo({ rollout }: { rollout: string }) {
  const allowed = useMay(api.releaseCrashes);
  return (
    <div className={classes.buttons}>
      <ActionButton
        operation={api.releaseCrashes}
        callWith={(reason) => ({ body: { rollout, reason } })}
        verb="Let the evidence go"
        icon="cross"
        title="Let the crash evidence of this rollout go"
        cli={cli.releaseCrashes(rollout)}
        allowed={allowed}
        danger
      >
        It is pinned now and kept for ever. Let go, it is kept for the usual time and then its bytes are removed; that there was a
        crash, and which, stays.
      </ActionButton>
      <span>Pinned: nothing removes it before a person lets it go.</span>
    </div>
  );
}

const signatureColumns: readonly Column<CrashSignature>[] = [
  {
    title: "Crash",
    cell: ({ title, frames }) => (
      <>
        <strong>{title}</strong>
        {frames.length > 0 && (
          <ol className={classes.frames} aria-label="Frames, innermost first">
            {frames.map((frame, depth) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a frame may stand twice, and its depth is what tells it apart
              <li key={depth}>
                <code>{frame}</code>
              </li>
            ))}
          </ol>
        )}
      </>
    ),
  },
  { title: "Devices", cell: (each) => each.devices, numeric: true },
  { title: "Crashes", cell: (each) => each.crashes, numeric: true },
  { title: "Build", cell: ({ version, build }) => <code title={build}>{version ?? (build ? short(build) : "–")}</code> },
  { title: "First", cell: (each) => <When at={each.firstAt} /> },
  { title: "Last", cell: (each) => <When at={each.lastAt} /> },
  { title: "Look at one", cell: (each) => <BytesLink id={each.example} name={`Bytes of an example of ${each.title}`} /> },
];

const crashColumns: readonly Column<Crash>[] = [
  { title: "Device", cell: (each) => <AppLink to={paths.device(each.device, { tab: "updates" })}>{each.device}</AppLink> },
  { title: "Kind", cell: (each) => each.kind },
  { title: "Crash", cell: (each) => each.title },
  { title: "Received", cell: (each) => <When at={each.receivedAt} /> },
  { title: "Kept", cell: (each) => <Kept crash={each} /> },
  {
    title: "Bytes",
    cell: (each) =>
      each.removedAt ? "removed" : <BytesLink id={each.id} name={`Bytes of ${each.kind} of ${each.device}`} size={each.size} />,
  },
];

export function CrashTable({ crashes }: { crashes: readonly Crash[] }) {
  return <Table label="Crash artifacts" columns={crashColumns} rows={crashes} keyOf={(each) => each.id} />;
}

function Kept({ crash: { pinned, keepUntil, rollout } }: { crash: Crash }) {
  if (pinned && rollout)
    return (
      <>
        pinned to <AppLink to={paths.rollout(rollout)}>its rollout</AppLink>
      </>
    );
  return keepUntil ? (
    <>
      until <When at={keepUntil} past="until" />
    </>
  ) : (
    "–"
  );
}

/** The server sends them as a download that no browser shows: what a device sent is not to be run. */
function BytesLink({ id, name, size }: { id: string; name: string; size?: number }) {
  return (
    <a href={`/api/v1/crashes/${encodeURIComponent(id)}/bytes`} download aria-label={name}>
      Download{size !== undefined && ` ${bytes(size)}`}
    </a>
  );
}

/** What one device sent. */
export function DeviceCrashes({ id }: { id: string }) {
  const crashes = useQuery(ask(api.listCrashes, { query: { device: id, limit: 50 } }));
  return (
    <Section title="Crashes" aside={<CopyLine line={cli.deviceCrashes(id)} />}>
      <Answer of={crashes}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="Nothing was received.">
              <p>
                A device sends what it left behind when it crashed to <code>/v1/crash/core</code>, <code>pstore</code>,{" "}
                <code>bootlog</code> or <code>log</code>.
              </p>
            </Empty>
          ) : (
            <CrashTable crashes={items} />
          )
        }
      </Answer>
    </Section>
  );
}
