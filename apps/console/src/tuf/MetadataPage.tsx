import { useQuery } from "@tanstack/react-query";
import { api, type MetadataStatus } from "@tenfold/contracts";
import { useState } from "react";
import { cli } from "../cli.ts";
import { absolute, count, counted, sentence, short } from "../format.ts";
import { Answer } from "../parts/Answer.tsx";
import { CopyBlock, CopyLine } from "../parts/CopyLine.tsx";
import { Icon } from "../parts/icons.tsx";
import { useNow } from "../parts/now.ts";
import { Empty, Facts, Section } from "../parts/Section.tsx";
import { Status } from "../parts/Status.tsx";
import { type Column, Table } from "../parts/Table.tsx";
import type { Look, Tone } from "../parts/tones.ts";
import { When } from "../parts/When.tsx";
import { ask } from "../queries.ts";
import { Page } from "../shell/Page.tsx";
import { judgeExpiry, type Repository, type Role, signerOf, worstOf } from "./expiry.ts";
import classes from "./metadata.module.css";

const setUp = `npx tenfold tuf online --out online.json                # on a machine that reaches the server
npx tenfold tuf init release-keys --online online.json  # on one that never does
npx tenfold tuf verify release-keys
npx tenfold tuf publish release-keys                    # carries public files only`;

/** The signed metadata of both repositories: who may sign what, until when, and what has to be done before. */
export function MetadataPage() {
  const status = useQuery({ ...ask(api.getMetadataStatus, {}), refetchInterval: 60_000 });
  return (
    <Page
      title="Signed metadata"
      name="Signed metadata"
      cli={cli.metadata()}
      lead="Devices install what offline keys list and the director points them to; nothing else, whoever owns this server."
    >
      <Answer of={status} lines={8}>
        {(found) => (found.image.set || found.director.set ? <Both status={found} /> : <NotSetUp status={found} />)}
      </Answer>
    </Page>
  );
}

function NotSetUp({ status }: { status: MetadataStatus }) {
  return (
    <>
      <Section title="Not set up">
        <Empty title="No metadata is published: releases are held by their envelopes' signatures alone.">
          With it, a thief on the server can neither replay old releases nor hold back news for long. The keys stay in a folder that
          never meets this server:
        </Empty>
        <CopyBlock lines={setUp} label="Set up signed metadata" />
      </Section>
      <OnlineKey status={status} />
    </>
  );
}

function Both({ status }: { status: MetadataStatus }) {
  const now = useNow();
  const worst = worstOf(status, now);
  return (
    <>
      {worst && (
        <div role="alert" className={classes.warning} data-tone={worst.verdict.tone}>
          <Icon name={worst.verdict.tone === "bad" ? "halted" : "warning"} size={18} />
          <div>
            <strong>
              {sentence(worst.role)} of the {worst.repository} repository: {worst.verdict.word.toLowerCase()}.
            </strong>
            <p>
              On the machine with the signing folder: <code>{worst.verdict.todo}</code>
            </p>
          </div>
        </div>
      )}
      <RepositorySection repository="image" status={status} />
      <RepositorySection repository="director" status={status} />
      <OnlineKey status={status} />
      <Section title="Renew and rotate">
        <Facts
          wide
          facts={[
            ["The list of releases ends", <CopyLine key="renew" line="npx tenfold tuf renew FOLDER" label="Copy the command" />],
            ["A root ends", <CopyLine key="rotate" line="npx tenfold tuf rotate FOLDER --role root" label="Copy the command" />],
            [
              "A targets key is lost",
              <CopyLine key="targets" line="npx tenfold tuf rotate FOLDER --role targets" label="Copy the command" />,
            ],
            [
              "The server's key is stolen",
              <CopyLine key="online" line="npx tenfold tuf rotate FOLDER --role online" label="Copy the command" />,
            ],
            ["Then", <CopyLine key="publish" line="npx tenfold tuf publish FOLDER" label="Copy the command" />],
          ]}
        />
      </Section>
    </>
  );
}

const about: Record<Repository, string> = {
  image: "What exists: signed by keys that no server holds.",
  director: "What each device installs now: signed by the server, for each device.",
};

function RepositorySection({ repository, status }: { repository: Repository; status: MetadataStatus }) {
  const { roles } = status[repository];
  const title = repository === "image" ? `Image repository (${counted(status.image.targets, "listed release")})` : "Director";
  return (
    <Section title={title} aside={<span className={classes.about}>{about[repository]}</span>}>
      {roles.length === 0 ? (
        <Empty title="No root is published.">
          <CopyLine line="npx tenfold tuf publish FOLDER" label="Copy the command" />
        </Empty>
      ) : (
        <RoleTable repository={repository} roles={roles} online={status.online.keyid} />
      )}
    </Section>
  );
}

const icons: Record<Tone, Look["icon"]> = { ok: "online", warn: "warning", bad: "halted", idle: "waiting", accent: "running" };
const order = ["root", "targets", "snapshot", "timestamp"];
const rank = ({ role }: Role): number => (order.includes(role) ? order.indexOf(role) : 1.5);

function RoleTable({ repository, roles, online }: { repository: Repository; roles: readonly Role[]; online: string }) {
  const now = useNow();
  const columns: readonly Column<Role>[] = [
    { title: "Role", cell: ({ role }) => <strong>{role}</strong> },
    { title: "Version", cell: ({ version }) => <Version version={version} />, numeric: true },
    {
      title: "Ends",
      cell: ({ expires }) => (
        <span title={absolute(Date.parse(expires))}>
          <When at={expires} past="ended" />
        </span>
      ),
    },
    {
      title: "State",
      cell: (role) => {
        const { tone, word, todo } = judgeExpiry(repository, role, now);
        return (
          <>
            <Status look={{ tone, word, icon: icons[tone] }} />
            {todo && <div className={classes.todo}>{todo.startsWith("tenfold") ? <code>{todo}</code> : todo}</div>}
          </>
        );
      },
    },
    { title: "Signed by", cell: ({ role }) => (signerOf(repository, role) === "offline" ? "offline keys" : "this server") },
    { title: "Threshold", cell: ({ threshold, keyids }) => (keyids ? `${threshold} of ${keyids.length}` : "–") },
    { title: "Keys", cell: ({ keyids }) => <Keys keyids={keyids ?? []} online={online} /> },
    {
      title: "File",
      cell: (role) => <FileText repository={repository} role={role} />,
    },
  ];
  return (
    <Table
      label={`Roles of the ${repository} repository`}
      columns={columns}
      rows={roles.toSorted((a, b) => rank(a) - rank(b))}
      keyOf={({ role }) => role}
    />
  );
}

/** Versions that the server counts by the clock are long; what matters is that they grow. */
function Version({ version }: { version: number }) {
  const text = count(version);
  return version > 1_000_000 ? (
    <span title={`${text}: seconds since 1970, so that a restored backup never repeats one`}>by the clock</span>
  ) : (
    text
  );
}

function Keys({ keyids, online }: { keyids: readonly string[]; online: string }) {
  if (keyids.length === 0) return "–";
  return keyids.map((keyid) => (
    <div key={keyid}>
      <code title={keyid}>{short(keyid, 10)}</code>
      {keyid === online && " (this server)"}
    </div>
  ));
}

/** The file itself, letter for letter, when it is asked for. */
function FileText({ repository, role: { role, version } }: { repository: Repository; role: Role }) {
  const [open, setOpen] = useState(false);
  const name = role === "timestamp" ? "timestamp.json" : `${version}.${role}.json`;
  const file = useQuery({ ...ask(api.getMetadataFile, { params: { repository, name } }), enabled: open });
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)} className={classes.file}>
      <summary aria-label={`Show ${name} of the ${repository} repository`}>Show</summary>
      {open && (
        <Answer of={file} lines={2}>
          {({ text }) => (
            // biome-ignore lint/a11y/noNoninteractiveTabindex: a block that scrolls must be reachable by keyboard
            <pre tabIndex={0}>{pretty(text)}</pre>
          )}
        </Answer>
      )}
    </details>
  );
}

/** At most so much of it: a list of releases may have megabytes. */
const shownCharacters = 20_000;

function pretty(text: string): string {
  const long = JSON.stringify(JSON.parse(text), null, 2);
  return long.length <= shownCharacters
    ? long
    : `${long.slice(0, shownCharacters)}\n… ${count(long.length - shownCharacters)} more characters`;
}

function OnlineKey({ status: { online } }: { status: MetadataStatus }) {
  return (
    <Section title="This server's key">
      <Facts
        facts={[
          ["Key id", <code key="keyid">{online.keyid}</code>],
          ["Kind", `${online.key.keytype}, ${online.key.scheme}`],
          ["Signs", "timestamps, snapshots, and each device's own metadata; never a release"],
          [
            "Stolen, a thief can",
            "offer listed releases above the floor to any device, and hold news back until the list of releases ends",
          ],
        ]}
      />
    </Section>
  );
}
